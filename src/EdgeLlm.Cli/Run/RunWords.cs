using System.CommandLine;
using System.CommandLine.Parsing;
using System.Text.RegularExpressions;
using EdgeLlm.Cli.Pull;
using EdgeLlm.Files;
using EdgeLlm.HuggingFace;
using EdgeLlm.Models;

namespace EdgeLlm.Cli.Run;

/// <summary>
/// The words after `edgellm run`. People who come from Ollama write `run MODEL PROMPT`: the first word is a model if it names one of this
/// machine. If it only looks like one, the command ends with the lines to type, because a model that is not here would answer a prompt that
/// was not meant. All else is a prompt, and so is what follows a lone `--`, or where --model names the model.
/// </summary>
/// <param name="ModelPath">The file of the model that the first word names, or null.</param>
/// <param name="Prompt">The other words, with a space between them, or null.</param>
internal sealed partial record RunWords(string? ModelPath, string? Prompt)
{
    /// <exception cref="FileNotFoundException">The first word looks like a model that is not here; the message says what to
    /// type.</exception>
    public static RunWords Read(ParseResult result, Argument<string[]> argument)
    {
        Token[] words = [.. result.GetResult(argument)?.Tokens ?? []];
        string[] texts = [.. words.Select(word => word.Value)];
        if (texts.Length == 0) return new RunWords(null, null);
        bool mayBeModel = result.GetValue(SharedOptions.Model) is null && !IsAfterDashes(result, words[0]);
        var store = ModelStore.OfThisMachine();
        if (mayBeModel && PathOf(texts[0], store) is { } path)
            return new RunWords(path, texts.Length > 1 ? string.Join(' ', texts[1..]) : null);
        if (mayBeModel && LooksLikeModel(texts[0], store)) throw new FileNotFoundException(Advice(texts, OptionsOf(result, words), store));
        return new RunWords(null, string.Join(' ', texts));
    }

    /// <summary>
    /// Whether a word that names no model here is meant as one: `llama3.2`, `qwen2.5:0.5b`, `owner/name`, `model.gguf`, a name that is
    /// nearly right.
    /// </summary>
    internal static bool LooksLikeModel(string word, ModelStore store)
    {
        if (word.Any(char.IsWhiteSpace)) return false;
        if (word.EndsWith(StoredModel.Extension, StringComparison.OrdinalIgnoreCase)) return true;
        if (!NamePattern().IsMatch(word) || !word.Any(char.IsAsciiLetter)) return false; // 42, 24/7 and 10:30 are no names
        bool hasDigit = word.Any(char.IsAsciiDigit), hasPlace = word.AsSpan().IndexOfAny(':', '/') >= 0;
        if (!word.Any(char.IsAsciiLetterUpper)) return hasDigit || hasPlace;
        // Names on hubs have capitals, but so do COVID-19 and TCP/IP.
        return hasDigit && (hasPlace || word.Count(c => c == '-') > 1 || Near(word, store) is not null);
    }

    /// <summary>
    /// The file that a word names: a stored model by its whole name in any case or, where the word looks like a model, by its beginning; or
    /// a GGUF file or Hugging Face folder.
    /// </summary>
    private static string? PathOf(string word, ModelStore store)
    {
        if (store.Find(word) is { } stored) return stored.Path;
        FileStatus? status = FileStatus.Of(word);
        if (status?.Kind == FileKind.Regular && (word.EndsWith(StoredModel.Extension, StringComparison.OrdinalIgnoreCase) || IsGguf(word)))
            return word;
        if (status?.Kind == FileKind.Folder && HuggingFaceFolder.IsModel(word)) return word;
        if (!LooksLikeModel(word, store)) return null;
        bool isFolder = status?.Kind == FileKind.Folder,
            begins = store.Models().Any(model => model.Name.StartsWith(word, StringComparison.OrdinalIgnoreCase));
        return isFolder || begins ? store.PathOf(word) : null; // or an error that says what is wrong with it
    }

    private static bool IsGguf(string path)
    {
        try
        {
            using FileStream file = InputFile.Open(path);
            Span<byte> mark = stackalloc byte[4];
            return file.ReadAtLeast(mark, mark.Length, throwOnEndOfStream: false) == mark.Length && mark.SequenceEqual("GGUF"u8);
        }
        catch (IOException)
        {
            return false;
        }
    }

    /// <summary>
    /// The stored model that is most likely meant: a name with a letter or two wrong, or Ollama's form of one (`smollm2:135m`).
    /// </summary>
    private static string? Near(string word, ModelStore store)
    {
        string[] names = [.. store.Models().Select(model => model.Name)], parts = [.. word.Split(':').Select(Letters)];
        return Suggestion.For(word, names)
            ?? names.FirstOrDefault(name => parts.Length > 1 && Letters(name).StartsWith(parts[0], StringComparison.Ordinal)
                && parts.All(part => part == "latest" || Letters(name).Contains(part, StringComparison.Ordinal)));
    }

    private static string Letters(string text) => string.Concat(text.Where(char.IsAsciiLetterOrDigit)).ToLowerInvariant();

    private static string Advice(string[] words, string[] options, ModelStore store)
    {
        string word = words[0];
        string prompt = string.Concat(words[1..].Select(text => " " + ShellWord.Quote(text)));
        string given = $"edgellm run {CommandLineErrors.Line(options)}".TrimEnd();
        string problem = word.EndsWith(StoredModel.Extension, StringComparison.OrdinalIgnoreCase)
            ? $"{Printable.Line(word, 200)}: there is no such file" : $"there is no model '{Printable.Line(word, 100)}' on this machine";
        string first = Near(word, store) is { } near
            ? $"did you mean {Printable.Line(near)}? {given} {ShellWord.Quote(near)}{prompt}"
            : $"with the default model: {given}{prompt}; to get one: {MissingModel.PullLineFor(word)}";
        return $"{problem}; {first}; if it is the prompt: {given} -- {ShellWord.Quote(word)}{prompt}";
    }

    private static bool IsAfterDashes(ParseResult result, Token word)
    {
        foreach (Token token in result.Tokens)
        {
            if (token.Type == TokenType.DoubleDash) return true;
            if (ReferenceEquals(token, word)) return false;
        }
        return false;
    }

    /// <summary>Arguments after `run` other than the words.</summary>
    private static string[] OptionsOf(ParseResult result, Token[] words) =>
        [.. result.Tokens.Where(token => token.Type is not (TokenType.Command or TokenType.DoubleDash)
            && !words.Any(word => ReferenceEquals(word, token))).Select(token => token.Value)];

    [GeneratedRegex(@"^[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*(:[A-Za-z0-9._-]+)?\z")]
    private static partial Regex NamePattern();
}
