using EdgeLlm.Generation;
using EdgeLlm.Models;

namespace EdgeLlm.Cli.Run;

/// <summary>`edgellm run` at a terminal, or with lines on standard input, with a model that has no chat template: each line is a text to continue.</summary>
internal sealed class InteractiveText(LanguageModel model, GenerationOptions options, TextReader input, TextWriter output)
{
    private CancellationTokenSource? _answering;

    public async Task RunAsync(CancellationToken cancellation)
    {
        bool terminal = Terminal.HasPersonIn();
        ConsoleCancelEventHandler stopAnswer = (_, press) =>
        {
            if (_answering is not { } answering) return; // nothing runs: the program ends
            press.Cancel = true;
            answering.Cancel();
        };
        Console.CancelKeyPress += stopAnswer;
        using var generator = new TextGenerator(model);
        try
        {
            while (!cancellation.IsCancellationRequested)
            {
                if (terminal) await output.WriteAsync("> ").ConfigureAwait(false);
                await output.FlushAsync(cancellation).ConfigureAwait(false);
                if (await input.ReadLineAsync(cancellation).ConfigureAwait(false) is not { } line || line.Trim() is "/bye" or "/exit" or "/quit") return;
                if (line.Trim().Length > 0) await ContinueAsync(generator, line).ConfigureAwait(false);
            }
        }
        finally
        {
            Console.CancelKeyPress -= stopAnswer;
        }
    }

    private async Task ContinueAsync(TextGenerator generator, string text)
    {
        using var answering = new CancellationTokenSource();
        _answering = answering;
        try
        {
            int[] prompt = model.Tokenizer.Encode(text, addSpecial: true);
            await AnswerWriter.WriteAsync(generator.GenerateAsync(prompt, options, answering.Token), output, endLine: true, answering.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            await output.WriteLineAsync("(stopped)").ConfigureAwait(false);
        }
        catch (ContextFullException exception)
        {
            await output.WriteLineAsync($"edgellm: {exception.Message}").ConfigureAwait(false);
        }
        finally
        {
            _answering = null;
        }
    }
}
