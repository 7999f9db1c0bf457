using System.CommandLine;
using EdgeLlm.Cli.Run;
using EdgeLlm.Cli.Terminal;
using EdgeLlm.Generation;
using EdgeLlm.Models;

namespace EdgeLlm.Cli.Commands;

/// <summary>`edgellm run`: an answer to one prompt, or a conversation.</summary>
internal sealed class RunCommand
{
    private readonly Argument<string[]> _words = new("prompt")
    {
        Description =
            "What to ask; the first word may be a model's name. Text after a lone -- is the prompt whatever it looks like. A file or "
                + "pipe on standard input is added to it. "
            + "Without a prompt: standard input, or at a terminal a conversation.",
        HelpName = "[MODEL] PROMPT",
        Arity = ArgumentArity.ZeroOrMore,
    };

    private readonly Option<string?> _prompt = new("--prompt", "-p") { Description = "What to ask.", HelpName = "TEXT" };
    private readonly Option<string?> _system =
        new("--system", "--system-prompt", "-sys") { Description = "The system prompt.", HelpName = "TEXT" };
    private readonly Option<bool> _raw = new("--raw") { Description = "Continue the prompt as it is, without the model's chat template." };
    private readonly Option<bool> _chat =
        new("--chat", "-cnv") { Description = "A conversation even where standard input is no terminal: a line a question." };
    private readonly Option<bool> _noInput = new("--no-stdin") { Description = "Do not add what is on standard input to the prompt." };
    private readonly Option<bool> _noHistory =
        new("--no-history") { Description = "In a conversation: neither offer lines of earlier conversations nor keep this one's." };
    private readonly Option<bool> _force =
        new("--force") { Description = "In a conversation: /save replaces a conversation that was saved before without asking." };
    private readonly Option<bool> _stats = new("--stats", "--verbose") { Description = "Say on standard error what the answer took." };
    private readonly Option<bool> _speak = new("--speak")
    {
        Description = "Speak the answer, too, sentence by sentence while it is written (aplay or pw-play; a voice: --voice).",
    };
    private readonly GenerationArguments _generation = new();
    private readonly AdapterArguments _adapters = new();

    public static Command Create()
    {
        var run = new RunCommand();
        var command = new Command("run", "Ask a model: one answer, or a conversation at a terminal.")
        {
            run._words, SharedOptions.Model, run._prompt, run._system, SharedOptions.ChatTemplate, run._raw, run._chat, run._noInput,
            run._noHistory, run._force, run._stats,
            run._speak, SharedOptions.Voice,
            SharedOptions.Draft, SharedOptions.Context, SharedOptions.Threads, SharedOptions.DecodeThreads, SharedOptions.Chunk,
            SharedOptions.Kernel, SharedOptions.CacheType,
        };
        run._generation.AddTo(command);
        run._adapters.AddTo(command);
        command.SetAction(run.RunAsync);
        return command;
    }

    private async Task<int> RunAsync(ParseResult result, CancellationToken cancellation)
    {
        GenerationOptions options = _generation.Read(result);
        var words = RunWords.Read(result, _words);
        string? text = words.Prompt;
        if (result.GetValue(_prompt) is { } named)
        {
            if (text is not null) throw new UsageException("the prompt is there twice: with --prompt and without");
            text = named;
        }
        bool converse = result.GetValue(_chat) || (text is null && StandardStreams.HasPersonIn());
        if (converse && (text is not null || result.GetValue(_raw)))
            throw new UsageException("a conversation takes neither a prompt argument nor --raw");
        bool reads = !converse && !result.GetValue(_noInput) && (text is null || StandardStreams.InputIsFileOrPipe());
        if (reads) text = PromptInput.Join(text, await PromptInput.ReadAsync(cancellation).ConfigureAwait(false));
        if (!converse && string.IsNullOrWhiteSpace(text))
            throw new UsageException("there is no prompt: give one as an argument or on standard input");

        if (!result.GetValue(_speak) && result.GetValue(SharedOptions.Voice) is not null)
            throw new UsageException("--voice is for --speak");
        using AnswerSpeaker? speaker = result.GetValue(_speak) ? new AnswerSpeaker(result.GetValue(SharedOptions.Voice)) : null;
        using LanguageModel model = SharedOptions.LoadModel(result, words.ModelPath ?? SharedOptions.ModelPathOf(result));
        GenerationArguments.RequireTokens(options, model.Info.VocabularySize);
        AdapterChoice adapters = _adapters.Open(result, model);
        options = options with { Adapters = adapters.Adapters, ControlVectors = adapters.ControlVectors };
        bool continues = result.GetValue(_raw);
        ChatFormat? format = continues ? null : new ChatFormat(model);
        if (format is { HasTemplate: false })
        {
            if (result.GetValue(_system) is not null) throw new UsageException($"--system has no place: {ChatFormat.MissingTemplate}");
            await Console.Error.WriteLineAsync($"edgellm: {ChatFormat.MissingTemplate}").ConfigureAwait(false);
            format = null;
        }
        if (!converse)
        {
            await AnswerAsync(model, format, text!, options, result, speaker, cancellation).ConfigureAwait(false);
            return ExitCode.Success;
        }
        using var input = LineInput.OfThisProcess(keepsHistory: !result.GetValue(_noHistory));
        if (format is null)
            return await new InteractiveText(model, options, input, Console.Out).RunAsync(cancellation).ConfigureAwait(false);
        using var session = new ChatSession(model, format, result.GetValue(_system));
        return await new InteractiveChat(session, options, input, Console.Out, result.GetValue(_force)) { Speaker = speaker }
            .RunAsync(cancellation).ConfigureAwait(false);
    }

    /// <param name="format">Null: the text is continued as it is.</param>
    private async Task AnswerAsync(
        LanguageModel model, ChatFormat? format, string text, GenerationOptions options, ParseResult result, AnswerSpeaker? speaker,
        CancellationToken cancellation)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        ConsoleCancelEventHandler onPress = (_, press) =>
        {
            press.Cancel = true;
            stop.Cancel();
        };
        Console.CancelKeyPress += onPress;
        try
        {
            GenerationStatistics statistics = format is null
                ? await ContinueAsync(model, text, options, speaker, stop.Token).ConfigureAwait(false)
                : await AnswerAsync(model, format, result.GetValue(_system), text, options, speaker, stop.Token).ConfigureAwait(false);
            if (GenerationArguments.NoteOn(statistics, options, model.ContextLength) is { } note)
                await Console.Error.WriteLineAsync($"edgellm: {note}").ConfigureAwait(false);
            if (result.GetValue(_stats)) await Console.Error.WriteLineAsync(AnswerWriter.Describe(statistics)).ConfigureAwait(false);
        }
        finally
        {
            Console.CancelKeyPress -= onPress;
        }
    }

    private static async Task<GenerationStatistics> ContinueAsync(LanguageModel model, string text, GenerationOptions options,
        AnswerSpeaker? speaker, CancellationToken cancellation)
    {
        using var generator = new TextGenerator(model);
        int[] prompt = model.Tokenizer.Encode(text, addSpecial: true);
        if (prompt.Length == 0) throw new UsageException("the prompt has no tokens");
        IAsyncEnumerable<string> answer = generator.GenerateAsync(prompt, options, cancellation);
        await AnswerWriter.WriteAsync(speaker?.HearAsync(answer, cancellation) ?? answer, Console.Out, wraps: true, cancellation)
            .ConfigureAwait(false);
        return generator.Statistics;
    }

    private static async Task<GenerationStatistics> AnswerAsync(
        LanguageModel model, ChatFormat format, string? system, string text, GenerationOptions options, AnswerSpeaker? speaker,
        CancellationToken cancellation)
    {
        using var session = new ChatSession(model, format, system);
        IAsyncEnumerable<string> answer = session.AskAsync(text, options, cancellation);
        await AnswerWriter.WriteAsync(speaker?.HearAsync(answer, cancellation) ?? answer, Console.Out, wraps: true, cancellation)
            .ConfigureAwait(false);
        return session.Statistics;
    }
}
