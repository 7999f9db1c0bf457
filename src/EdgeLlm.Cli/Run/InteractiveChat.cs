using EdgeLlm.Cli.Output;
using EdgeLlm.Cli.Terminal;
using EdgeLlm.Files;
using EdgeLlm.Generation;
using EdgeLlm.Models;

namespace EdgeLlm.Cli.Run;

/// <summary>
/// The conversation of `edgellm run` at a terminal, or with lines on standard input. Lines that begin with / are commands.
/// </summary>
/// <param name="force">Whether /save replaces a saved conversation without asking.</param>
internal sealed class InteractiveChat(ChatSession session, GenerationOptions options, LineInput input, TextWriter output, bool force)
{
    private const string Help = """"
        /help, /?        this list
        /clear           forget the conversation (also /reset)
        /set ...         system TEXT, parameter NAME VALUE, verbose, quiet,
                         wordwrap, nowordwrap, history, nohistory
        /show ...        info, system, parameters, template
        /system [TEXT]   set or remove the system prompt, and forget the conversation
        /save FILE       keep the conversation, with its computed context; asks before
                         it replaces another one (/save --force FILE does not ask)
        /load FILE       take up a conversation that was kept
        /stats           what the last answer took, and how full the context is
        /bye             leave (also /exit, /quit, Ctrl-D)
        Ctrl-C           stop an answer, or clear what is typed
        Tab, Up, Ctrl-R  complete a command, bring an earlier line, search for one
        Several lines: paste them, put """ around them, or end a line with \ or Ctrl-J.
        """";

    private static readonly string[] Lines =
    [
        "/help", "/?", "/clear", "/reset", "/system ", "/save ", "/load ", "/stats", "/bye", "/exit", "/quit",
        .. PromptLoop.Settings.Select(word => $"/set {word}"), "/set system ", "/set verbose", "/set quiet",
        .. AnswerParameters.Names.Select(name => $"/set parameter {name} "),
        "/show info", "/show system", "/show parameters", "/show template",
    ];

    private GenerationOptions _options = options;
    private bool _isVerbose;

    /// <summary>Speaker of the answers, or null.</summary>
    public AnswerSpeaker? Speaker { get; init; }

    public async Task<int> RunAsync(CancellationToken cancellation)
    {
        var loop = new PromptLoop(input, output)
        {
            Ask = (text, stop) => Speaker?.HearAsync(session.AskAsync(text, _options, stop), stop)
                ?? session.AskAsync(text, _options, stop),
            Command = Run,
            NoteOnAnswer = NoteOnAnswer,
            HasConversation = () => session.Messages.Count > 0,
        };
        input.CompleteWith(new CommandCompletion(Lines, filesAfter: ["/save ", "/save --force ", "/load "]).For);
        if (StandardStreams.HasPersonIn())
            AnswerWriter.Say($"{session.Model.Name}, {session.Model.ContextLength} tokens of context. /help lists the commands.", output);
        return await loop.RunAsync(cancellation).ConfigureAwait(false);
    }

    private string? NoteOnAnswer()
    {
        string? note = GenerationArguments.NoteOn(session.Statistics, _options, session.Model.ContextLength);
        return !_isVerbose ? note : AnswerWriter.Describe(session.Statistics) + (note is null ? "" : $"; {note}");
    }

    private string? Run(PromptLoop loop, string name, string argument) => name switch
    {
        "/bye" or "/exit" or "/quit" => null,
        "/help" or "/?" => Help,
        "/clear" or "/reset" => Reset(),
        "/set" => Set(loop, argument),
        "/show" => Show(argument),
        "/system" => SetSystem(argument),
        "/save" => WithFile(argument, Save),
        "/load" => WithFile(argument, Load),
        "/stats" => $"{AnswerWriter.Describe(session.Statistics)}\n{DescribeContext()}",
        _ => CommandCompletion.Unknown(name, Lines),
    };

    private string Set(PromptLoop loop, string text)
    {
        string[] words = text.Split((char[]?)null, 2, StringSplitOptions.TrimEntries);
        switch (words[0].ToLowerInvariant())
        {
            case "system":
                string system = words.Length > 1 ? words[1] : "";
                return SetSystem(system.Length > 1 && system[0] == '"' && system[^1] == '"' ? system.Trim('"') : system);
            case "parameter":
                return AnswerParameters.Set(ref _options, words.Length > 1 ? words[1] : "");
            case "verbose":
                _isVerbose = true;
                return "each answer is followed by what it took";
            case "quiet":
                _isVerbose = false;
                return "answers are followed by nothing";
            default:
                return loop.Set(words[0].ToLowerInvariant())
                    ?? "/set system TEXT, parameter NAME VALUE, wordwrap, nowordwrap, history, nohistory, verbose, quiet";
        }
    }

    private string Show(string what) => what.ToLowerInvariant() switch
    {
        "" or "info" =>
            $"{session.Model.Name} ({Printable.Line(session.Model.Path)})\n{DescribeContext()}\nedgellm show "
                + $"{ShellWord.Quote(session.Model.Name)} says more",
        "system" => session.System is { } system ? Printable.Line(system) : "no system prompt",
        "parameters" => AnswerParameters.Describe(_options),
        "template" => session.Model.ChatTemplateSource ?? "ChatML, as the model has no template of its own",
        _ => "/show info, system, parameters, template",
    };

    private string DescribeContext() =>
        $"context: {session.ContextUsed} of {session.Model.ContextLength} tokens, {Quantity.Of(session.Messages.Count, "message")}; "
            + $"kernel {session.Model.KernelName}, {Quantity.Of(session.Model.Threads, "thread")}";

    private string Reset()
    {
        session.Reset();
        return "the conversation is forgotten";
    }

    private string SetSystem(string text)
    {
        session.System = text.Length == 0 ? null : text;
        session.Reset();
        return text.Length == 0 ? "no system prompt; the conversation is forgotten"
            : "the system prompt is set; the conversation is forgotten";
    }

    private string Save(string path)
    {
        bool replaces = force;
        if (path == "--force" || path.StartsWith("--force ", StringComparison.Ordinal))
            (path, replaces) = (path["--force".Length..].Trim(), true);
        if (path.Length == 0) return "which file?";
        if (FileStatus.Of(AtomicFile.TargetOf(path)) is not null)
        {
            using (FileStream there = InputFile.Open(path))
            {
                if (!ChatSession.IsSaved(there)) return $"{path}: is there already and not a saved conversation; name another file";
            }
            if (!replaces && !StandardStreams.HasPersonIn()) return $"{path}: is there already; /save --force {path} replaces it";
            if (!replaces && !Confirms($"{path} is there already. Replace it? [y/N] ")) return "nothing was saved";
        }
        AtomicFile.Write(path, session.Save); // a disk that is full leaves an older file as it was
        return $"kept in {path} ({new FileInfo(path).Length / 1e6:F1} MB)";
    }

    private bool Confirms(string question)
    {
        return input.Read(question) is { End: LineEnd.Line, Text: var answer } && answer.Trim() is "y" or "Y" or "yes";
    }

    private string Load(string path)
    {
        if (FileStatus.Of(path) is null && ModelStore.OfThisMachine().Find(path) is not null)
            return $"{path} is a model; another one is for another conversation: edgellm run {ShellWord.Quote(path)}";
        using FileStream file = InputFile.Open(path);
        session.Load(file, _options);
        return $"{Quantity.Of(session.Messages.Count, "message")}, {Quantity.Of(session.ContextUsed, "token")}";
    }

    private static string WithFile(string path, Func<string, string> action)
    {
        if (path.Length == 0) return "which file?";
        path = CommandCompletion.PathOf(path);
        try
        {
            return action(path);
        }
        catch (InvalidDataException exception)
        {
            return $"{path}: {exception.Message}";
        }
        catch (Exception exception) when (FileException.IsFromFileSystem(exception))
        {
            return FileException.Reading(path, exception).Message;
        }
    }
}
