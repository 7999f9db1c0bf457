using EdgeLlm.Models;

namespace EdgeLlm.Generation.Scheduling;

/// <summary>A model of a <see cref="ModelPool"/> in use: it stays open until this is disposed of.</summary>
public sealed class ModelLease : IDisposable
{
    private readonly ModelPool _pool;
    private int _disposed;

    internal ModelLease(ModelPool pool, LoadedModel loaded) => (_pool, Loaded, Format) = (pool, loaded, loaded.Format);

    /// <summary>The model.</summary>
    public LanguageModel Model => Loaded.Model;

    /// <summary>
    /// Its conversations as tokens; null of an encoder. A use may have a format of its own, such as that of an adapter's chat template.
    /// </summary>
    public ChatFormat? Format { get; set; }

    /// <summary>Encoder of texts with this model. Not to be disposed of.</summary>
    public TextEncoder Encoder => Loaded.Encoder.Value;

    internal LoadedModel Loaded { get; }

    /// <summary>How long the model stays open after its last use, from this one on; negative: for ever, zero: not at all.</summary>
    public void KeepFor(TimeSpan time) => _pool.Keep(Loaded, time);

    /// <summary>Another use of the same model.</summary>
    public ModelLease Again() => _pool.Again(Loaded);

    /// <inheritdoc/>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _disposed, 1) == 0) _pool.Release(Loaded);
    }
}

/// <summary>A model that is open. What changes of it is guarded by its pool.</summary>
internal sealed class LoadedModel(string path, LanguageModel model, TimeSpan keep)
{
    public string Path { get; } = path;

    public LanguageModel Model { get; } = model;

    public ChatFormat? Format { get; } = model.IsEncoder ? null : new ChatFormat(model);

    public Lazy<TextEncoder> Encoder { get; } = new(() => TextEncoder.Of(model));

    /// <summary>How long it stays open after its last use; negative: for ever.</summary>
    public TimeSpan Keep { get; set; } = keep;

    /// <summary>How many use it.</summary>
    public int Uses { get; set; }

    /// <summary>Timestamp of the last use.</summary>
    public long LastUsed { get; set; }

    /// <summary>Whether it is not handed out any more: its file was replaced or written to, or it is to be closed.</summary>
    public bool IsRetired { get; set; }

    /// <summary>Whether it is not handed out to those who come now, because somebody before them waits for memory.</summary>
    public bool IsHeld { get; set; }
}

/// <summary>A model that is open, as it is told of.</summary>
/// <param name="Path">The path that it was opened by.</param>
/// <param name="Expires">When it will be closed if nobody uses it; null: never, or not while it is in use.</param>
public sealed record OpenModel(string Path, LanguageModel Model, DateTimeOffset? Expires);
