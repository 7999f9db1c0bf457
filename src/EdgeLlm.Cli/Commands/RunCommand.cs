using System.CommandLine;
using System.Text;
using EdgeLlm.Cli.Run;
using EdgeLlm.Files;
using EdgeLlm.Generation;
using EdgeLlm.Models;

namespace EdgeLlm.Cli.Commands;

/// <summary>`edgellm run`: an answer to one prompt, or a conversation.</summary>
internal static class RunCommand
{
    public static Command Create()
    {
        var prompt = new Argument<string?>("prompt") { Description = "What to ask. Without it: standard input where that is no terminal, else a conversation.", Arity = ArgumentArity.ZeroOrOne };
        var system = new Option<string?>("--system") { Description = "The system prompt.", HelpName = "TEXT" };
        var raw = new Option<bool>("--raw") { Description = "Continue the prompt as it is, without the model's chat template." };
        var chat = new Option<bool>("--chat") { Description = "A conversation even where standard input is no terminal: a line a question." };
        var force = new Option<bool>("--force") { Description = "In a conversation: /save replaces a conversation that was saved before without asking." };
        var stats = new Option<bool>("--stats") { Description = "Say on standard error what the answer took." };
        var generation = new GenerationArguments();
        var command = new Command("run", "Ask a model: one answer, or a conversation at a terminal.")
        {
            prompt, SharedOptions.Model, system, SharedOptions.ChatTemplate, raw, chat, force, stats, SharedOptions.Context, SharedOptions.Threads, SharedOptions.DecodeThreads, SharedOptions.Chunk, SharedOptions.Kernel, SharedOptions.CacheType,
        };
        generation.AddTo(command);
        command.SetAction(async (result, cancellation) =>
        {
            GenerationOptions options = generation.Read(result);
            string? text = result.GetValue(prompt);
            bool converse = result.GetValue(chat) || (text is null && Terminal.HasPersonIn());
            if (!converse && text is null) text = await ReadAllAsync(cancellation).ConfigureAwait(false);
            if (!converse && string.IsNullOrWhiteSpace(text)) throw new UsageException("there is no prompt: give one as an argument or on standard input");
            if (converse && (text is not null || result.GetValue(raw))) throw new UsageException("a conversation takes neither a prompt argument nor --raw");

            using LanguageModel model = SharedOptions.LoadModel(result);
            GenerationArguments.RequireTokens(options, model.Info.VocabularySize);
            bool continues = result.GetValue(raw);
            if (!continues && !new ChatFormat(model).HasTemplate)
            {
                if (result.GetValue(system) is not null) throw new UsageException($"--system has no place: {ChatFormat.MissingTemplate}");
                await Console.Error.WriteLineAsync($"edgellm: {ChatFormat.MissingTemplate}").ConfigureAwait(false);
                continues = true;
            }
            if (converse && continues)
            {
                await new InteractiveText(model, options, Console.In, Console.Out).RunAsync(cancellation).ConfigureAwait(false);
                return ExitCode.Success;
            }
            if (converse)
            {
                using var session = new ChatSession(model, result.GetValue(system));
                await new InteractiveChat(session, options, Console.In, Console.Out, result.GetValue(force)).RunAsync(cancellation).ConfigureAwait(false);
                return ExitCode.Success;
            }

            using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
            ConsoleCancelEventHandler onPress = (_, press) =>
            {
                press.Cancel = true;
                stop.Cancel();
            };
            Console.CancelKeyPress += onPress;
            try
            {
                GenerationStatistics statistics = continues
                    ? await ContinueAsync(model, text!, options, stop.Token).ConfigureAwait(false)
                    : await AnswerAsync(model, result.GetValue(system), text!, options, stop.Token).ConfigureAwait(false);
                if (result.GetValue(stats)) await Console.Error.WriteLineAsync(AnswerWriter.Describe(statistics)).ConfigureAwait(false);
                return ExitCode.Success;
            }
            finally
            {
                Console.CancelKeyPress -= onPress;
            }
        });
        return command;
    }

    private static async Task<GenerationStatistics> ContinueAsync(LanguageModel model, string text, GenerationOptions options, CancellationToken cancellation)
    {
        using var generator = new TextGenerator(model);
        int[] prompt = model.Tokenizer.Encode(text, addSpecial: true);
        if (prompt.Length == 0) throw new UsageException("the prompt has no tokens");
        await AnswerWriter.WriteAsync(generator.GenerateAsync(prompt, options, cancellation), Console.Out, endLine: true, cancellation).ConfigureAwait(false);
        return generator.Statistics;
    }

    private static async Task<GenerationStatistics> AnswerAsync(LanguageModel model, string? system, string text, GenerationOptions options, CancellationToken cancellation)
    {
        using var session = new ChatSession(model, system);
        await AnswerWriter.WriteAsync(session.AskAsync(text, options, cancellation), Console.Out, endLine: true, cancellation).ConfigureAwait(false);
        return session.Statistics;
    }

    private static async Task<string> ReadAllAsync(CancellationToken cancellation)
    {
        string text = Encoding.UTF8.GetString(await Task.Run(ReadInput, cancellation).ConfigureAwait(false)).TrimStart('\uFEFF');
        return text.EndsWith('\n') ? text[..^1] : text;

        static byte[] ReadInput()
        {
            using Stream input = Terminal.OpenInput();
            return InputFile.ReadToEnd("standard input", input, InputFile.MostTextBytes);
        }
    }
}
