using EdgeLlm.Gguf;
using EdgeLlm.Kernels;
using EdgeLlm.Models.Layers;
using EdgeLlm.Models.Spec;

namespace EdgeLlm.Models;

/// <summary>From a path to a model that is ready: reading its spec, planning its memory, telling the system what will be read.</summary>
public sealed unsafe partial class LanguageModel
{
    /// <summary>Opens the default model, which a reference to EdgeLlm.DefaultModel puts beside the program.</summary>
    /// <exception cref="FileNotFoundException">There is none beside the program.</exception>
    /// <exception cref="ModelException">It can't fit into memory.</exception>
    public static LanguageModel LoadDefault(ModelOptions? options = null)
    {
        string path = DefaultModelFile.Path ?? throw new FileNotFoundException(
            $"there is no {DefaultModelFile.Name} in {AppContext.BaseDirectory}: reference EdgeLlm.DefaultModel, or open another model "
                + "with LanguageModel.Load");
        options ??= new ModelOptions();
        return Load(path, options with { Name = options.Name ?? DefaultModelFile.ModelName });
    }

    /// <summary>
    /// Opens a model: a GGUF file, or a Hugging Face folder (config.json, weights, tokenizer), whose matrices are used where they are in
    /// its files.
    /// </summary>
    /// <exception cref="FileNotFoundException">There is no such file or folder.</exception>
    /// <exception cref="ModelException">It is not a model that runs here (as it is), or it can't fit into memory.</exception>
    /// <exception cref="GgufException">The file is damaged or no GGUF file.</exception>
    /// <exception cref="ArgumentException">The path is empty, or an option is out of its range.</exception>
    /// <exception cref="IOException">It can't be read, or is a device or a pipe.</exception>
    public static LanguageModel Load(string path, ModelOptions? options = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        return Open(path, options ?? new ModelOptions(), encoders: false);
    }

    /// <param name="encoders">Whether encoders are opened, too.</param>
    internal static LanguageModel Open(string path, ModelOptions options, bool encoders)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        options.Validate();
        if (options.DraftModel is { } draft) return OpenWithDraft(path, draft, options);
        bool isFolder = Directory.Exists(path);
        if (!isFolder && !File.Exists(path)) throw new FileNotFoundException(Printable.Line($"{path}: there is no such file"), path);
        long total = options.MemoryLimit > 0 ? options.MemoryLimit : MachineMemory.Total;
        long available = options.MemoryLimit > 0 ? options.MemoryLimit : MachineMemory.Available;
        GgufFile file = ModelFile.Open(path);
        try
        {
            Licences.LicencePolicy.Require(file);
            ModelSpec spec = ModelLoader.ReadSpec(file);
            if (!encoders) RequireGenerating(spec, path);
            ModelSteps steps = LayerBuilder.Build(spec);
            options = OptionsFor(steps, options);
            MemoryPlan plan = PlanMemory(steps, file, options);
            long prefixes = options.PrefixBytes;
            while (plan.Refusal(total, available) is { } refusal)
            {
                if (options.LeastContexts == 0 || (options.Contexts <= options.LeastContexts && options.PrefixBytes == 0))
                    throw new ModelException(path, refusal) { LacksMemory = plan.Total - options.OtherModelsBytes <= total };
                // Without prefixes, else with a context less.
                options = options.PrefixBytes > 0 ? options with { PrefixBytes = 0 }
                    : options with { PrefixBytes = prefixes, Contexts = options.Contexts - 1 };
                plan = PlanMemory(steps, file, options);
            }
            Advise(file);
            return new LanguageModel(file, steps, options with { PrefillChunk = ChunkOf(steps, options, plan.ContextLength) }, plan);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Memory that a model would take, from its header alone.</summary>
    internal static MemoryPlan PlanMemory(ModelSteps steps, GgufFile file, ModelOptions options) =>
        PlanMemory(steps, file.FileSize, options, file.ConvertedBytes + file.ReadingBytes) is var plan
            && LookedUp(file).Sum(tensor => tensor.ByteCount) is > 0 and var onDisk
            ? plan with { Weights = plan.Weights - onDisk, OnDisk = onDisk } : plan;

    /// <summary>Tables of which each token reads a row.</summary>
    private static IEnumerable<GgufTensor> LookedUp(GgufFile file) =>
        file.Tensors.Where(tensor => TensorTable.Find(tensor.Name)?.Entry.IsLookedUp == true);

    /// <summary>
    /// Tells the system what is going to be read soon: from an SD card, reading ahead is what the first token waits for. Of tables single
    /// rows are read, here and there.
    /// </summary>
    private static void Advise(GgufFile file)
    {
        if (!LookedUp(file).Any())
        {
            file.Advise(MapAdvice.WillNeed);
            return;
        }
        foreach (GgufTensor tensor in file.Tensors.Except(LookedUp(file))) file.Advise(tensor, MapAdvice.WillNeed);
        foreach (GgufTensor table in LookedUp(file)) file.Advise(table, MapAdvice.Random);
    }

    /// <param name="fileSize">Bytes that are mapped.</param>
    /// <param name="converted">Bytes of weights that are not, and of what a folder's tokenizer takes to read.</param>
    internal static MemoryPlan PlanMemory(ModelSteps steps, long fileSize, ModelOptions options, long converted = 0)
    {
        options = OptionsFor(steps, options);
        int context = options.ContextLength > 0 ? options.ContextLength : Math.Min(steps.Model.ContextLength, DefaultContextLength);
        int chunk = ChunkOf(steps, options, context);
        long passes = converted + steps.Registers.ByteCount(KernelOf(options), chunk, ThreadsOf(options).All);
        if (options.Contexts > 1) passes += BatchBytes(steps.Model.VocabularySize, options.Contexts);
        if (!steps.Model.IsEncoder) passes += BatchBytes(steps.Model.VocabularySize, MostSequences); // of the tokens of a draft
        return MemoryPlan.For(steps, fileSize, context, chunk, options, passes);
    }

    private static Kernel KernelOf(ModelOptions options) =>
        options.FloatActivations ? Kernel.Choose("scalar") : options.Kernel is { } name ? Kernel.Choose(name) : Kernel.Best;

    internal static (int All, int Decode) ThreadsOf(ModelOptions options)
    {
        int threads = options.SharedThreads is { Pool: var pool } ? pool.Threads : options.Threads > 0 ? options.Threads
            : Environment.ProcessorCount;
        int decode = options.DecodeThreads > 0 ? options.DecodeThreads : threads;
        return (Math.Max(threads, decode), decode);
    }

    /// <summary>
    /// Tokens of a pass: no more than the context has, nor than a register of the model's widest row can count in an int.
    /// </summary>
    private static int ChunkOf(ModelSteps steps, ModelOptions options, int context) =>
        Math.Min(Math.Min(options.PrefillChunk, context), Math.Max(1, (1 << 26) / steps.Registers.Widest));

    /// <summary>Bytes of the logits of a batch of this many sequences, or of the largest.</summary>
    private static long BatchBytes(int vocabulary, int sequences) => 4L * Math.Min(sequences, MostSequences) * vocabulary;
}
