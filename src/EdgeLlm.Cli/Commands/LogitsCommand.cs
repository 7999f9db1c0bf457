using System.CommandLine;
using EdgeLlm.Cli.Evaluation;
using EdgeLlm.Cli.Quantize;
using EdgeLlm.Cli.Run;
using EdgeLlm.Cli.Transcription;
using EdgeLlm.Files;
using EdgeLlm.Kernels;
using EdgeLlm.Models;
using EdgeLlm.Models.Adapters;
using EdgeLlm.Speech.Recognition;

namespace EdgeLlm.Cli.Commands;

/// <summary>`edgellm logits`: what a model computes for token ids, as a file of tensors and as hashes.</summary>
internal static class LogitsCommand
{
    private const string ListKernels = "list";

    public static Command Create()
    {
        var ids =
            new Option<string?>("--ids")
            {
                Description =
                "A file with one prompt a line: token ids separated by spaces. Of each, a line is printed: the tensor's name, the "
                    + "number of tokens, and a hash in 16 hexadecimal digits, "
                + "FNV-1a of 64 bits over the logits in order, each float's 32 bits taken as one unit instead of a byte. For a "
                + "cross-encoder, a | between ids is between the two texts of a pair",
                HelpName = "FILE"
            };
        var output = new Option<string?>("--output", "-o")
        {
            Description =
                "The safetensors file to write: logits_0, logits_1, ... F32 [tokens, vocabulary]; of an encoder hidden_0 [tokens, "
                    + "width], sentence_0 [1, width of vectors] and of a cross-encoder logits_0 [1, labels], ...",
            HelpName = "FILE",
        };
        var audio = new Option<string?>("--audio")
        {
            Description = "A recording, for a model that hears: its stages and encoder are written too, and the ids are the decoder's",
            HelpName = "FILE",
        };
        var floatActivations = new Option<bool>("--float-activations")
        {
            Description = "Multiply quantized weights with float activations: slow and exact, by the scalar kernel",
        };
        var command = new Command("logits",
            "Compute the logits of every token of prompts, and their hashes. `--kernel list` only prints the kernels that this machine "
                + "can run.")
        {
            SharedOptions.Model, ids, audio, output, SharedOptions.Context, SharedOptions.Threads, SharedOptions.Chunk,
            SharedOptions.Kernel, SharedOptions.CacheType, floatActivations,
        };
        var adapters = new AdapterArguments();
        adapters.AddTo(command);
        command.Validators.Add(result =>
        {
            // the value itself would throw where the option stands twice
            if (result.GetResult(SharedOptions.Kernel)?.Tokens is [{ Value: ListKernels }]) return;
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
            if (result.GetValue(audio) is { } recording)
            {
                SpeechOptions speech = SpeechModels.OptionsOf(result) with { FloatActivations = result.GetValue(floatActivations) };
                await Task.Run(() => AudioLogits.Compute(path, speech, recording, result.GetValue(ids)!, result.GetValue(output)!,
                    cancellation), cancellation).ConfigureAwait(false);
                return;
            }
            // Elsewhere than here, so that Ctrl-C is listened to meanwhile.
            await Task.Run(() => Compute(path, options, model => adapters.Open(result, model), result.GetValue(ids)!,
                result.GetValue(output)!, cancellation), cancellation).ConfigureAwait(false);
        });
        return command;
    }

    private static void Compute(string path, ModelOptions options, Func<LanguageModel, AdapterChoice> open, string idsFile,
        string outputFile, CancellationToken cancellation)
    {
        OutputFile.Require(outputFile, force: true, [.. QuantizeSource.FilesOf(path), idsFile]);
        List<TokenPrompt> prompts = TokenIds.ReadPrompts(idsFile);
        using LanguageModel model = LanguageModel.Open(path, options, encoders: true);
        int vocabulary = model.Info.VocabularySize;
        Adaptation? adaptation = open(model).For(model);
        if (adaptation is not null && model.IsEncoder)
            throw new UsageException($"--lora and --control-vector are not for encoders, and {model.Name} is one");
        for (int i = 0; i < prompts.Count; i++)
        {
            string place = TokenIds.PlaceOf(idsFile, i);
            int[] ids = prompts[i].Ids;
            TokenIds.Require(ids, vocabulary, place);
            if (prompts[i].Second is not null && model.Labels == 0)
                throw new InvalidDataException($"{place}: is a pair of texts, which a cross-encoder takes, and {model.Name} is none");
            if (ids.Length > model.ContextLength)
                throw new InvalidDataException(
                    $"{place}: {ids.Length} tokens do not fit into the context of {model.ContextLength}: take a larger --context");
        }
        if (model.IsEncoder) AtomicFile.Write(outputFile, file => Encode(model, prompts, file, cancellation));
        else
            AtomicFile.Write(outputFile, file => Compute(model, adaptation, [.. prompts.Select(prompt => prompt.Ids)], file, cancellation));
    }

    private static void Compute(LanguageModel model, Adaptation? adaptation, List<int[]> prompts, Stream file,
        CancellationToken cancellation)
    {
        int vocabulary = model.Info.VocabularySize;
        var tensors = new SafetensorsWriter(file, prompts.Select((prompt, i) => ($"logits_{i}", prompt.Length, vocabulary)));
        using KvCache cache = model.CreateCache();
        cache.Adaptation = adaptation;
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

    private static void Encode(LanguageModel model, List<TokenPrompt> prompts, Stream file, CancellationToken cancellation)
    {
        TextEncoder encoder = TextEncoder.Of(model); // the model is disposed of by who opened it
        var tensors = new SafetensorsWriter(file, prompts.SelectMany((prompt, i) => new[]
        {
            ($"hidden_{i}", prompt.Ids.Length, model.Info.EmbeddingLength), ($"sentence_{i}", 1, encoder.Dimensions),
            ($"logits_{i}", 1, model.Labels),
        }.Where(tensor => tensor.Item3 > 0)));
        encoder.Encode([.. prompts.Select(TextOf)], (i, hidden, logits) =>
        {
            Write($"hidden_{i}", hidden);
            Write($"sentence_{i}", encoder.PooledOf(hidden));
            if (model.Labels > 0) Write($"logits_{i}", logits);

            void Write(string name, ReadOnlySpan<float> numbers)
            {
                var hash = new LogitsHash();
                hash.Append(numbers);
                tensors.Write(numbers);
                Console.WriteLine($"{name} {prompts[i].Ids.Length} {hash.Value:x16}");
            }
        }, cancellation);

        EncoderText TextOf(TokenPrompt prompt)
        {
            if (prompt.Second is not { } second || model.TokenTypes < 2) return new EncoderText(prompt.Ids);
            byte[] types = new byte[prompt.Ids.Length];
            types.AsSpan(second).Fill(1);
            return new EncoderText(prompt.Ids) { Types = types };
        }
    }
}
