using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using EdgeLlm.Chat;
using EdgeLlm.Cli.Pull;
using EdgeLlm.Kernels;
using EdgeLlm.Models;
using EdgeLlm.Speech.Phonemes;

namespace EdgeLlm.Cli;

/// <summary>
/// Options that several commands have. A command adds those that it takes and reads them all with <see cref="ModelOptionsOf"/>.
/// </summary>
internal static class SharedOptions
{
    public static Option<string?> Model { get; } = new("--model", "-m")
    {
        Description =
            "A GGUF file, a Hugging Face folder, or a model's name as `edgellm list` shows it (default: the model that comes with the "
                + "program)",
        HelpName = "MODEL",
    };

    public static Option<string?> Voice { get; } = new("--voice")
    {
        Description =
            "The voice: a packed file, a voice's folder, the name of one that is on this machine, or command:NAME for a program of the "
                + "setting voiceCommands (default: the first)",
        HelpName = "VOICE",
    };

    public static Option<string?> Lexicon { get; } = new("--lexicon")
    {
        Description = "Words and how they are spoken: a word, a tab, its phonemes (IPA) a line; # begins a comment",
        HelpName = "FILE",
    };

    public static Option<bool> Marks { get; } =
        new("--marks") { Description = "Read [word](/phonemes/) as the phonemes (IPA) say; without it, only the word" };

    public static Option<bool> Markdown { get; } =
        new("--markdown") { Description = "The text is Markdown, as models write it: its marks are not read, links by their text" };

    public static Option<int?> Context { get; } =
        Between(1, ModelOptions.MaximumContextLength, "--context", "TOKENS",
            "Tokens of prompt and answer together (default: what the model was trained on, at most 4096)", "-c", "--ctx-size");

    public static Option<int?> Threads { get; } = Between(1, int.MaxValue, "--threads", "N",
        "Threads that compute, at most one per processor core (default: what `edgellm bench` found fastest, else all cores)", "-t");

    public static Option<int?> DecodeThreads { get; } = Between(1, int.MaxValue, "--decode-threads", "N",
        "Threads that decode, if others than for prompts (default: the same, or what `edgellm bench` found fastest)");

    public static Option<int?> Chunk { get; } =
        Between(1, ModelOptions.MaximumChunk, "--chunk", "TOKENS", "Tokens of a prompt that are computed together (default: 256)");

    public static Option<string?> Kernel { get; } = new("--kernel")
    {
        Description = "The kernel that computes, as `edgellm kernels` names them (default: the best for this processor)",
        HelpName = "KERNEL",
    };

    public static Option<KeyValueType?> CacheType { get; } = new("--kv")
    {
        Description = "How the context is kept (default: f16)",
        HelpName = "f16|f32|i8",
        CustomParser = ParseCacheType,
    };

    public static Option<string?> Draft { get; } = new("--draft", "--model-draft", "-md")
    {
        Description =
            "A smaller model of the same vocabulary that guesses what the model says next, where that is faster; answers are the same",
        HelpName = "MODEL",
    };

    public static Option<string?> ChatTemplate { get; } = new("--chat-template")
    {
        Description = "A chat template instead of the model's: a name or a file with Jinja (default: the model's own)",
        HelpName = NamedTemplates.Choices,
    };

    /// <summary>An option that takes a whole number from <paramref name="minimum"/> to <paramref name="maximum"/>.</summary>
    public static Option<int?> Between(int minimum, int maximum, string name, string helpName, string description, params string[] aliases)
    {
        return new Option<int?>(name, aliases) { Description = description, HelpName = helpName, CustomParser = Parse };

        int? Parse(ArgumentResult result)
        {
            string text = result.Tokens[0].Value;
            if (int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int value)
                && value >= minimum && value <= maximum)
                return value;
            result.AddError($"{name} takes a whole number from {minimum} to {maximum}, not '{text}'");
            return null;
        }
    }

    /// <summary>An option that takes a number from <paramref name="least"/> to <paramref name="most"/>.</summary>
    public static Option<double?> Number(string name, string helpName, string description, double least, double most)
    {
        return new Option<double?>(name) { Description = description, HelpName = helpName, CustomParser = Parse };

        double? Parse(ArgumentResult result)
        {
            string text = result.Tokens[0].Value;
            if (double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double value)
                && value >= least && value <= most)
                return value;
            result.AddError($"{name} takes a number from {least} to {most}, not '{text}'");
            return null;
        }
    }

    /// <summary>How to open a model, out of those of these options that the command has.</summary>
    public static ModelOptions ModelOptionsOf(ParseResult result)
    {
        var defaults = new ModelOptions();
        ThreadChoice? remembered = result.GetValue(Threads) is null ? ThreadChoice.Remembered : null;
        return defaults with
        {
            ContextLength = result.GetValue(Context) ?? defaults.ContextLength,
            Threads = ThreadChoice.AtMostProcessors(result.GetValue(Threads), Threads.Name) ?? remembered?.Prompt ?? defaults.Threads,
            DecodeThreads = ThreadChoice.AtMostProcessors(result.GetValue(DecodeThreads), DecodeThreads.Name) ?? remembered?.Decode
                ?? defaults.DecodeThreads,
            PrefillChunk = result.GetValue(Chunk) ?? defaults.PrefillChunk,
            Kernel = KernelOf(result),
            CacheType = result.GetValue(CacheType) ?? defaults.CacheType,
            ChatTemplate = result.GetValue(ChatTemplate) is { } template ? NamedTemplates.Read(template) : null,
            IdentityFolder = StateFolder.Identities,
            DraftModel = result.GetValue(Draft) is { } draft ? MissingModel.PathOf(draft) : null,
        };
    }

    /// <summary>
    /// How text is spoken, out of those of these options that the command has. Letters that are left out are a line on standard error.
    /// </summary>
    public static PhonemizerOptions PhonemizerOptionsOf(ParseResult result) => new()
    {
        Lexicon = result.GetValue(Lexicon) is { } path ? UserLexicon.Open(path) : null,
        Marks = result.GetValue(Marks),
        Skipped = static letters =>
            Console.Error.WriteLine($"edgellm: left out, as the voice does not know these letters: {Printable.Line(letters, 60)}"),
    };

    /// <summary>Refuses options that read the same text in different ways.</summary>
    /// <exception cref="UsageException">Two of them were given.</exception>
    public static void RequireOneReading(ParseResult result, Option? other = null)
    {
        if (!result.GetValue(Markdown)) return;
        if (((Option?[])[Marks, other]).FirstOrDefault(option => option is not null && result.GetResult(option) is { Implicit: false })
            is { } given)
            throw new UsageException($"--markdown and {given.Name} read the text in different ways: give one of them");
    }

    /// <summary>The file that --model means.</summary>
    /// <exception cref="IOException">There is no such model, or none was named and this build has no default.</exception>
    public static string ModelPathOf(ParseResult result) => MissingModel.PathOf(result.GetValue(Model));

    /// <summary>Opens the model that --model means with what the other options say.</summary>
    public static LanguageModel LoadModel(ParseResult result) => LoadModel(result, ModelPathOf(result));

    /// <summary>Opens a model's file with what the options say.</summary>
    public static LanguageModel LoadModel(ParseResult result, string path)
    {
        var model = LanguageModel.Load(path, ModelOptionsOf(result) with { Name = ModelStore.NameOf(path) });
        if (result.GetValue(Context) is { } context && context > model.Info.ContextLength)
            Console.Error.WriteLine(
                $"edgellm: {Context.Name} {context}: the model was trained on {model.Info.ContextLength} tokens, and beyond them its "
                    + "answers get worse");
        return model;
    }

    /// <exception cref="UsageException">This processor does not have the kernel that --kernel or EDGELLM_KERNEL names.</exception>
    private static string? KernelOf(ParseResult result)
    {
        try
        {
            string? name = result.GetValue(Kernel);
            _ = name is null ? EdgeLlm.Kernels.Kernel.Best : EdgeLlm.Kernels.Kernel.Choose(name);
            return name;
        }
        catch (ArgumentException exception)
        {
            throw new UsageException(exception.Message);
        }
    }

    private static KeyValueType? ParseCacheType(ArgumentResult result)
    {
        switch (result.Tokens[0].Value)
        {
            case "f16": return KeyValueType.F16;
            case "f32": return KeyValueType.F32;
            case "i8": return KeyValueType.I8;
            default:
                result.AddError($"--kv takes f16, f32 or i8, not '{result.Tokens[0].Value}'");
                return null;
        }
    }
}
