using System.CommandLine;
using EdgeLlm.Cli.Evaluation;
using EdgeLlm.Cli.Quantize;
using EdgeLlm.Files;
using EdgeLlm.Kernels;
using EdgeLlm.Models;

namespace EdgeLlm.Cli.Commands;

/// <summary>`edgellm logits`: what a model computes for token ids, as a file of tensors and as hashes.</summary>
internal static class LogitsCommand
{
    private const string ListKernels = "list";

    public static Command Create()
    {
        var ids = new Option<string?>("--ids") { Description = "A file with one prompt a line: token ids separated by spaces. Of each, a line is printed: the tensor's name, the number of tokens, and a hash in 16 hexadecimal digits, "
                + "FNV-1a of 64 bits over the logits in order, each float's 32 bits taken as one unit instead of a byte", HelpName = "FILE" };
        var output = new Option<string?>("--output") { Description = "The safetensors file to write: logits_0, logits_1, ... F32 [tokens, vocabulary]", HelpName = "FILE" };
        var floatActivations = new Option<bool>("--float-activations") { Description = "Multiply quantized weights with float activations: slow and exact, by the scalar kernel" };
        var command = new Command("logits",
            "Compute the logits of every token of prompts, and their hashes. `--kernel list` only prints the kernels that this machine can run.")
        {
            SharedOptions.Model, ids, output, SharedOptions.Context, SharedOptions.Threads, SharedOptions.Chunk, SharedOptions.Kernel, SharedOptions.CacheType, floatActivations,
        };
        command.Validators.Add(result =>
        {
            if (result.GetResult(SharedOptions.Kernel)?.Tokens is [{ Value: ListKernels }]) return; // the value itself would throw where the option stands twice
            foreach (Option<string?> option in new[] { ids, output })
            {
                if (result.GetResult(option) is null) result.AddError($"Option '{option.Name}' is required.");
            }
        });
        command.SetAction(async (result, cancellation) =>
        {
            if (result.GetValue(SharedOptions.Kernel) == ListKernels)
            {
                foreach (Kernel kernel in Kernel.Available) Console.WriteLine(kernel.Name);
                return;
            }
            ModelOptions options = SharedOptions.ModelOptionsOf(result) with { FloatActivations = result.GetValue(floatActivations) };
            string path = SharedOptions.ModelPathOf(result);
            // Elsewhere than here, so that Ctrl-C is listened to meanwhile.
            await Task.Run(() => Compute(path, options, result.GetValue(ids)!, result.GetValue(output)!, cancellation), cancellation).ConfigureAwait(false);
        });
        return command;
    }

    private static void Compute(string path, ModelOptions options, string idsFile, string outputFile, CancellationToken cancellation)
    {
        OutputFile.Require(outputFile, force: true, [.. QuantizeSource.FilesOf(path), idsFile]);
        List<int[]> prompts = TokenIds.ReadPrompts(idsFile);
        using LanguageModel model = LanguageModel.Load(path, options);
        int vocabulary = model.Info.VocabularySize;
        for (int i = 0; i < prompts.Count; i++)
        {
            string place = TokenIds.PlaceOf(idsFile, i);
            TokenIds.Require(prompts[i], vocabulary, place);
            if (prompts[i].Length > model.ContextLength)
                throw new InvalidDataException($"{place}: {prompts[i].Length} tokens do not fit into the context of {model.ContextLength}: take a larger --context");
        }
        AtomicFile.Write(outputFile, file => Compute(model, prompts, file, cancellation));
    }

    private static void Compute(LanguageModel model, List<int[]> prompts, Stream file, CancellationToken cancellation)
    {
        int vocabulary = model.Info.VocabularySize;
        var tensors = new SafetensorsWriter(file, prompts.Select((prompt, i) => ($"logits_{i}", prompt.Length, vocabulary)));
        using KvCache cache = model.CreateCache();
        int mostTokens = Math.Min(model.Options.PrefillChunk, prompts.Max(prompt => prompt.Length));
        float[] logits = new float[(long)mostTokens * vocabulary];
        for (int i = 0; i < prompts.Count; i++)
        {
            cache.Truncate(0);
            var hash = new LogitsHash();
            foreach (int[] tokens in prompts[i].Chunk(mostTokens))
            {
                model.ForwardAll(tokens, cache, logits, cancellation);
                ReadOnlySpan<float> computed = logits.AsSpan(0, tokens.Length * vocabulary);
                tensors.Write(computed);
                hash.Append(computed);
            }
            Console.WriteLine($"logits_{i} {prompts[i].Length} {hash.Value:x16}");
        }
    }
}
