using System.Numerics.Tensors;
using EdgeLlm.Models;
using Microsoft.Extensions.AI;

namespace EdgeLlm.Extensions.AI;

/// <summary>
/// An <see cref="IEmbeddingGenerator{String, Embedding}"/> over a model in this process: the mean of the last hidden states of a text's tokens, of length 1.
/// A language model's embeddings are a fair measure of likeness; a model made for embeddings is a better one.
/// </summary>
public sealed class EdgeLlmEmbeddingGenerator : IEmbeddingGenerator<string, Embedding<float>>
{
    private readonly LanguageModel _model;
    private readonly KvCache _cache;
    private readonly EmbeddingGeneratorMetadata _metadata;
    private readonly SemaphoreSlim _turn = new(1);

    /// <param name="model">The model, which the generator does not dispose of.</param>
    public EdgeLlmEmbeddingGenerator(LanguageModel model)
    {
        ArgumentNullException.ThrowIfNull(model);
        _model = model;
        _cache = model.CreateCache();
        _metadata = new EmbeddingGeneratorMetadata("edgellm", defaultModelId: model.Name, defaultModelDimensions: model.Info.EmbeddingLength);
    }

    /// <summary>One embedding per text, in order.</summary>
    /// <exception cref="ArgumentException">
    /// A text is null, empty or longer than the context, Dimensions is more than the model has, or another model is named.
    /// </exception>
    public async Task<GeneratedEmbeddings<Embedding<float>>> GenerateAsync(
        IEnumerable<string> values, EmbeddingGenerationOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(values);
        Unsupported.RefuseOtherModel(options?.ModelId, _model);
        int dimensions = options?.Dimensions ?? _model.Info.EmbeddingLength;
        if (dimensions < 1 || dimensions > _model.Info.EmbeddingLength)
            throw new ArgumentOutOfRangeException(nameof(options), $"Dimensions is {dimensions}; it must be 1 to {_model.Info.EmbeddingLength}");
        var embeddings = new GeneratedEmbeddings<Embedding<float>>();
        long tokens = 0;
        foreach (string value in values)
        {
            if (value is null) throw new ArgumentException("a text to embed is null", nameof(values));
            int[] ids = _model.Tokenizer.Encode(value, addSpecial: true);
            if (ids.Length == 0) throw new ArgumentException("a text to embed is empty", nameof(values));
            if (ids.Length > _cache.Capacity) throw new ArgumentException($"a text to embed has {ids.Length} tokens; the context has {_cache.Capacity}", nameof(values));
            await _turn.WaitAsync(cancellationToken).ConfigureAwait(false);
            float[] vector;
            try
            {
                vector = await Task.Run(() => _model.Embed(ids, _cache, cancellationToken), cancellationToken).ConfigureAwait(false);
            }
            finally
            {
                _turn.Release();
            }
            Array.Resize(ref vector, dimensions);
            float length = TensorPrimitives.Norm(vector);
            if (!float.IsFinite(length)) throw new NotFiniteException("the length of an embedding is infinite: the model's weights are damaged");
            if (length > 0) TensorPrimitives.Divide(vector, length, vector);
            embeddings.Add(new Embedding<float>(vector) { ModelId = _model.Name, CreatedAt = DateTimeOffset.UtcNow });
            tokens += ids.Length;
        }
        embeddings.Usage = new UsageDetails { InputTokenCount = tokens, TotalTokenCount = tokens };
        return embeddings;
    }

    /// <inheritdoc/>
    public object? GetService(Type serviceType, object? serviceKey = null)
    {
        ArgumentNullException.ThrowIfNull(serviceType);
        if (serviceKey is not null) return null;
        if (serviceType == typeof(EmbeddingGeneratorMetadata)) return _metadata;
        if (serviceType == typeof(LanguageModel)) return _model;
        return serviceType.IsInstanceOfType(this) ? this : null;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _cache.Dispose(); // requests that wait for their turn find it disposed of
    }
}
