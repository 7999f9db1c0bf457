// A conversation at the console.   dotnet run --project samples/ConsoleChat -c Release [-- MODEL]
// MODEL: a GGUF file, or a name that `edgellm list` shows. Ctrl-C stops an answer; at the prompt it leaves.
using EdgeLlm.Generation;
using EdgeLlm.Models;
using EdgeLlm.Sampling;

using LanguageModel model = args is [var name, ..] ? ModelStore.OfThisMachine().Load(name) : LanguageModel.LoadDefault();
using var chat = new ChatSession(model, system: "Answer in a few short sentences.");
// Of a small model the likelier words are the better ones. An answer that repeats itself without end is ended.
var options = new GenerationOptions { MaxTokens = 500, StopsLoops = true, Sampling = new SamplingOptions { Temperature = 0.3f } };
CancellationTokenSource? answering = null;
Console.CancelKeyPress += (_, press) =>
{
    press.Cancel = answering is not null;
    answering?.Cancel();
};

Console.WriteLine($"{model.Name}, {model.Threads} threads, a context of {model.ContextLength} tokens. Ctrl-D leaves.");
while (true)
{
    Console.Write("> ");
    if (Console.ReadLine() is not { } question) break;
    if (string.IsNullOrWhiteSpace(question)) continue;
    using var stop = answering = new CancellationTokenSource();
    try
    {
        await foreach (string piece in chat.AskAsync(question, options, stop.Token)) Console.Write(piece);
        Console.WriteLine($"\n  ({chat.Statistics.TokensPerSecond:F0} tokens a second)");
    }
    catch (OperationCanceledException)
    {
        Console.WriteLine(" (stopped)");
    }
    answering = null;
}
Console.WriteLine();
