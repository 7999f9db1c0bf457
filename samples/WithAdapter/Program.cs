// A question to a model, then to the same model with a LoRA adapter. dotnet run --project samples/WithAdapter -c Release -- MODEL ADAPTER
// ["QUESTION"] MODEL: a file, a folder or a name that `edgellm list` shows; ADAPTER: a PEFT folder or a GGUF adapter of that model
// (docs/adapters.md). The weights are in memory once.
using EdgeLlm.Generation;
using EdgeLlm.Models;
using EdgeLlm.Models.Adapters;
using EdgeLlm.Sampling;

if (args is not [var name, var path, ..])
{
    Console.Error.WriteLine("usage: WithAdapter MODEL ADAPTER [\"QUESTION\"]");
    return 2;
}
string question = args.Length > 2 ? args[2] : "Who are you?";
using LanguageModel model = ModelStore.OfThisMachine().Load(name);
Adapter adapter = model.OpenAdapter(path);
await Answer("without", new GenerationOptions());
await Answer("with", new GenerationOptions { Adapters = [new AdapterUse(adapter)] });
return 0;

async Task Answer(string label, GenerationOptions options)
{
    Console.WriteLine($"{label}:");
    options = options with { MaxTokens = 40, Sampling = new SamplingOptions { Temperature = 0 } };
    using var generator = new TextGenerator(model);
    await foreach (string piece in generator.GenerateAsync(model.Tokenizer.Encode(question), options)) Console.Write(piece);
    Console.WriteLine();
}
