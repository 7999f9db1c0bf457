using System.Globalization;
using EdgeLlm.Models.Layers;

namespace EdgeLlm.Models;

/// <summary>Memory of a model and one context, computed from the file's header before anything is touched. Bytes.</summary>
public sealed record MemoryPlan
{
    /// <summary>Weights: mapped from the file, shared by all processes that map it, dropped by the system when it needs room.</summary>
    public required long Weights { get; init; }

    /// <summary>
    /// Tables of the file of which each token reads a row, such as Gemma 4's embeddings of layers: they stay on disk, and are not part of
    /// <see cref="Total"/>.
    /// </summary>
    public long OnDisk { get; init; }

    /// <summary>The key/value cache when the context is full.</summary>
    public required long Cache { get; init; }

    /// <summary>
    /// Scratch of a forward pass, logits, and the program itself (<see cref="ProgramBytes"/>); of a folder, what reading its tokenizer
    /// takes, too.
    /// </summary>
    public required long Working { get; init; }

    /// <summary>
    /// Beginnings of prompts that are kept for other contexts (<see cref="ModelOptions.PrefixBytes"/>), when all of it is in use.
    /// </summary>
    public long Prefixes { get; init; }

    /// <summary>Positions of the context.</summary>
    public required int ContextLength { get; init; }

    /// <summary>All together, without <see cref="OnDisk"/>.</summary>
    public long Total => Weights + Cache + Working + Prefixes;

    /// <summary>
    /// Bytes of the program itself: data, runtime, vocabulary. Measured (`tools/test-memory`): the compiled program takes 19 to 22 MB, most
    /// of them the description of its types, which it unpacks at start, and up to 80 bytes for each token of a vocabulary with merges.
    /// </summary>
    internal static long ProgramBytes(int vocabulary) => 22_500_000 + 80L * vocabulary;

    /// <summary>
    /// Bytes that answers of a given form take beside: the tree of the vocabulary's texts, which all share, and the masks of each. Trees
    /// take 33 to 39 bytes a token (ConstraintVocabularyTests).
    /// </summary>
    internal static long ConstraintBytes(int vocabulary, int contexts) => 48L * vocabulary + (long)contexts * (1 << 20);

    /// <summary>The plan for a model, of the numbers that are going to be allocated.</summary>
    /// <param name="weights">Bytes of the file, without those that stay on disk.</param>
    /// <param name="context">Positions of a context.</param>
    /// <param name="chunk">Most tokens of a pass.</param>
    /// <param name="passes">Bytes that passes work in, whatever the contexts.</param>
    internal static MemoryPlan For(ModelSteps steps, long weights, int context, int chunk, ModelOptions options, long passes)
    {
        Int128 cache = (Int128)KvCache.ByteCount(steps.Cache, context, chunk, options.CacheType) * options.Contexts;
        return new MemoryPlan
        {
            Weights = weights,
            Cache = (long)Int128.Min(cache, long.MaxValue / 4),
            Working = passes + 4L * steps.Model.VocabularySize * options.Contexts + ProgramBytes(steps.Model.VocabularySize)
                + options.OtherBytes + options.OtherModelsBytes
                + (options.PlansForms ? ConstraintBytes(steps.Model.VocabularySize, options.Contexts) : 0),
            Prefixes = options.PrefixBytes,
            ContextLength = context,
        };
    }

    /// <summary>Why this does not fit, in one line with the numbers, or null where it does.</summary>
    /// <param name="total">What the machine has.</param>
    /// <param name="available">What of it is free for memory that can't be dropped.</param>
    public string? Refusal(long total, long available)
    {
        string need = string.Create(CultureInfo.InvariantCulture,
            $"needs {Total / 1e6:F0} MB (weights {Weights / 1e6:F0}, cache for {ContextLength} tokens {Cache / 1e6:F0}, working memory "
                + $"{Working / 1e6:F0}{KeptText})");
        if (Total > total)
            return string.Create(CultureInfo.InvariantCulture,
                $"{need} and this machine has {total / 1e6:F0} MB: take a smaller model or a smaller --context");
        if (Total - Weights > available)
            return string.Create(CultureInfo.InvariantCulture,
                $"{need}, and of the {(Total - Weights) / 1e6:F0} MB beside the weights only {available / 1e6:F0} MB are free: take a "
                    + $"smaller --context or stop other programs");
        return null;
    }

    private string KeptText => Prefixes == 0 ? "" : string.Create(CultureInfo.InvariantCulture, $", kept prompts {Prefixes / 1e6:F0}");
}
