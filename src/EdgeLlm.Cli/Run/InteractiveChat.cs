using EdgeLlm.Chat;
using EdgeLlm.Files;
using EdgeLlm.Generation;

namespace EdgeLlm.Cli.Run;

/// <summary>The conversation of `edgellm run` at a terminal, or with lines on standard input. Lines that begin with / are commands.</summary>
/// <param name="force">Whether /save replaces a saved conversation without asking.</param>
internal sealed class InteractiveChat(ChatSession session, GenerationOptions options, TextReader input, TextWriter output, bool force)
{
    private const string Help = """
        /help            this list
        /reset           forget the conversation
        /system [TEXT]   set the system prompt, or remove it, and forget the conversation
        /save FILE       keep the conversation, with its computed context; asks before it replaces another (/save --force FILE does not)
        /load FILE       take up a conversation that was kept
        /stats           what the last answer took, and how full the context is
        /bye             leave (as Ctrl-D)
        Ctrl-C stops an answer. A line that ends with \ goes on in the next one.
        """;

    private CancellationTokenSource? _answering;

    public async Task RunAsync(CancellationToken cancellation)
    {
        bool terminal = Terminal.HasPersonIn();
        ConsoleCancelEventHandler stopAnswer = (_, press) =>
        {
            if (_answering is not { } answering) return; // no answer is running: the program ends, as everywhere
            press.Cancel = true;
            answering.Cancel();
        };
        Console.CancelKeyPress += stopAnswer;
        try
        {
            if (terminal) await output.WriteLineAsync($"{session.Model.Name}, {session.Model.ContextLength} tokens of context. /help lists the commands.").ConfigureAwait(false);
            while (!cancellation.IsCancellationRequested && await ReadAsync(terminal).ConfigureAwait(false) is { } line)
            {
                if (line.Trim() is "/bye" or "/exit" or "/quit") return;
                if (line.StartsWith('/')) await RunCommandAsync(line).ConfigureAwait(false);
                else if (line.Trim().Length > 0) await AnswerAsync(line).ConfigureAwait(false);
            }
        }
        finally
        {
            Console.CancelKeyPress -= stopAnswer;
        }
    }

    private async Task<string?> ReadAsync(bool terminal)
    {
        string? text = null;
        while (true)
        {
            if (terminal) await output.WriteAsync(text is null ? "> " : ". ").ConfigureAwait(false);
            await output.FlushAsync().ConfigureAwait(false);
            string? line = await input.ReadLineAsync().ConfigureAwait(false);
            if (line is null) return text;
            text = text is null ? line : text + "\n" + line;
            if (!text.EndsWith('\\')) return text;
            text = text[..^1];
        }
    }

    private async Task AnswerAsync(string question)
    {
        using var answering = new CancellationTokenSource();
        _answering = answering;
        try
        {
            await AnswerWriter.WriteAsync(session.AskAsync(question, options, answering.Token), output, endLine: true, answering.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            await output.WriteLineAsync("(stopped)").ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is ContextFullException or ChatTemplateException)
        {
            await output.WriteLineAsync($"edgellm: {exception.Message}").ConfigureAwait(false);
        }
        finally
        {
            _answering = null;
        }
    }

    private async Task RunCommandAsync(string line)
    {
        string[] parts = line.Split(' ', 2, StringSplitOptions.TrimEntries);
        string argument = parts.Length > 1 ? parts[1] : "";
        string reply = parts[0] switch
        {
            "/help" or "/?" => Help,
            "/reset" => Reset(),
            "/system" => SetSystem(argument),
            "/save" => await WithFileAsync(argument, SaveAsync).ConfigureAwait(false),
            "/load" => await WithFileAsync(argument, LoadAsync).ConfigureAwait(false),
            "/stats" => $"{AnswerWriter.Describe(session.Statistics)}\ncontext: {session.ContextUsed} of {session.Model.ContextLength} tokens, {session.Messages.Count} messages; kernel {session.Model.KernelName}, {session.Model.Threads} threads",
            _ => $"there is no command {parts[0]}; /help lists them",
        };
        await output.WriteLineAsync(reply).ConfigureAwait(false);
    }

    private string Reset()
    {
        session.Reset();
        return "the conversation is forgotten";
    }

    private string SetSystem(string text)
    {
        session.System = text.Length == 0 ? null : text;
        session.Reset();
        return text.Length == 0 ? "no system prompt; the conversation is forgotten" : "the system prompt is set; the conversation is forgotten";
    }

    private async Task<string> SaveAsync(string path)
    {
        bool replaces = force;
        if (path.StartsWith("--force ", StringComparison.Ordinal)) (path, replaces) = (path["--force ".Length..].Trim(), true);
        if (FileStatus.Of(AtomicFile.TargetOf(path)) is not null)
        {
            using (FileStream there = InputFile.Open(path))
            {
                if (!ChatSession.IsSaved(there)) return $"{path}: is there already and not a saved conversation; name another file";
            }
            if (!replaces && !Terminal.HasPersonIn()) return $"{path}: is there already; /save --force {path} replaces it";
            if (!replaces && !await AskAsync($"{path} is there already. Replace it? [y/N] ").ConfigureAwait(false)) return "nothing was saved";
        }
        AtomicFile.Write(path, session.Save); // a disk that is full leaves an older file as it was
        return $"kept in {path} ({new FileInfo(path).Length / 1e6:F1} MB)";
    }

    private async Task<bool> AskAsync(string question)
    {
        await output.WriteAsync(question).ConfigureAwait(false);
        await output.FlushAsync().ConfigureAwait(false);
        return (await input.ReadLineAsync().ConfigureAwait(false))?.Trim() is "y" or "Y" or "yes";
    }

    private Task<string> LoadAsync(string path)
    {
        using FileStream file = InputFile.Open(path);
        session.Load(file);
        return Task.FromResult($"{session.Messages.Count} messages, {session.ContextUsed} tokens");
    }

    private static async Task<string> WithFileAsync(string path, Func<string, Task<string>> action)
    {
        if (path.Length == 0) return "which file?";
        try
        {
            return await action(path).ConfigureAwait(false);
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
