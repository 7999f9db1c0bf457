using EdgeLlm.Kernels;
using EdgeLlm.Kernels.Threading;

namespace EdgeLlm.Models;

/// <summary>How a model is opened.</summary>
public sealed record ModelOptions
{
    /// <summary>Name of the model; null: [general.name], else the file's name. Results don't depend on it.</summary>
    public string? Name { get; init; }

    /// <summary>Positions of a context (prompt and answer together); 0: the model's own length, but at most 4,096.</summary>
    public int ContextLength { get; init; }

    /// <summary>Threads; 0: one per processor core.</summary>
    public int Threads { get; init; }

    /// <summary>Threads that compute passes of few tokens, where memory is what limits; 0: all. Results don't depend on it.</summary>
    public int DecodeThreads { get; init; }

    /// <summary>How many tokens of a prompt are computed together. Results don't depend on it.</summary>
    public int PrefillChunk { get; init; } = 256;

    /// <summary>A kernel's name, or null for the best that this processor has. Results don't depend on it.</summary>
    public string? Kernel { get; init; }

    /// <summary>How the key/value cache stores its numbers.</summary>
    public KeyValueType CacheType { get; init; } = KeyValueType.F16;

    /// <summary>How many contexts will be in use at once: what the memory plan reckons with.</summary>
    public int Contexts { get; init; } = 1;

    /// <summary>
    /// How many contexts have to fit: where memory is short, <see cref="PrefixBytes"/> becomes 0, and <see cref="Contexts"/> smaller, but
    /// not below this; 0: nothing becomes smaller.
    /// </summary>
    internal int LeastContexts { get; init; }

    /// <summary>
    /// A smaller model of the same vocabulary (a GGUF file or a Hugging Face folder) that guesses tokens, which this one verifies several
    /// in a pass, as far as that is faster. Answers don't depend on it; null: none.
    /// </summary>
    public string? DraftModel { get; init; }

    /// <summary>Threads that several models share; null: <see cref="Threads"/> of the model's own.</summary>
    internal SharedThreads? SharedThreads { get; init; }

    /// <summary>Whether answers may be held to a form (a schema, pattern or grammar): what that takes is planned, too.</summary>
    public bool PlansForms { get; init; }

    /// <summary>Bytes that other models of this process take beside <see cref="OtherBytes"/>.</summary>
    internal long OtherModelsBytes { get; init; }

    /// <summary>Multiply quantized weights with float activations: slow and exact, to check a model with.</summary>
    public bool FloatActivations { get; init; }

    /// <summary>
    /// Jinja source of a chat template instead of the file's (see <see cref="LanguageModel.ChatTemplateSource"/>); null: the file's.
    /// </summary>
    public string? ChatTemplate { get; init; }

    /// <summary>Folder where hashes of models are remembered (see <see cref="LanguageModel.Identity"/>); null: nowhere.</summary>
    public string? IdentityFolder { get; init; }

    /// <summary>Bytes that the model and its context may take; 0: what this machine (or its control group) has.</summary>
    public long MemoryLimit { get; init; }

    /// <summary>
    /// Bytes in which beginnings of prompts are kept for other contexts of the model, so that they are not computed again; 0: none. Results
    /// don't depend on it.
    /// </summary>
    public long PrefixBytes { get; init; }

    /// <summary>
    /// Bytes that the program takes for other things than the model (a service its connections): the memory plan counts them.
    /// </summary>
    public long OtherBytes { get; init; }

    /// <summary>Largest <see cref="ContextLength"/>.</summary>
    public const int MaximumContextLength = 1 << 24;

    /// <summary>Most <see cref="Threads"/>, <see cref="DecodeThreads"/> and <see cref="Contexts"/>.</summary>
    public const int MaximumThreads = 1024;

    /// <summary>Largest <see cref="PrefillChunk"/>.</summary>
    public const int MaximumChunk = 1 << 16;

    /// <summary>Checks every number against its range.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A number is out of range; the message names it.</exception>
    public void Validate()
    {
        Require(ContextLength, 0, MaximumContextLength, nameof(ContextLength));
        Require(Threads, 0, MaximumThreads, nameof(Threads));
        Require(DecodeThreads, 0, MaximumThreads, nameof(DecodeThreads));
        Require(PrefillChunk, 1, MaximumChunk, nameof(PrefillChunk));
        Require(Contexts, 1, MaximumThreads, nameof(Contexts));
        if (PrefixBytes < 0) throw new ArgumentOutOfRangeException(null, $"{nameof(PrefixBytes)} is {PrefixBytes}; it must be 0 or more");
        if (OtherBytes < 0) throw new ArgumentOutOfRangeException(null, $"{nameof(OtherBytes)} is {OtherBytes}; it must be 0 or more");
        if (MemoryLimit < 0) throw new ArgumentOutOfRangeException(null, $"{nameof(MemoryLimit)} is {MemoryLimit}; it must be 0 or more");
        if (!Enum.IsDefined(CacheType))
            throw new ArgumentOutOfRangeException(null,
                $"{nameof(CacheType)} is {(int)CacheType}; it must be one of the names of {nameof(KeyValueType)}");

        static void Require(int value, int least, int most, string name)
        {
            if (value < least || value > most)
                throw new ArgumentOutOfRangeException(null, $"{name} is {value}; it must be {least} to {most}");
        }
    }
}

/// <summary>Threads that several models share: a pass of one of them has all of the threads, and the models' passes take turns.</summary>
/// <param name="threads">How many, the caller's among them.</param>
internal sealed class SharedThreads(int threads) : IDisposable
{
    public WorkerPool Pool { get; } = new(threads);

    /// <summary>As many as models of these options would have of their own.</summary>
    public static SharedThreads For(ModelOptions options) => new(LanguageModel.ThreadsOf(options).All);

    public void Dispose() => Pool.Dispose();
}
