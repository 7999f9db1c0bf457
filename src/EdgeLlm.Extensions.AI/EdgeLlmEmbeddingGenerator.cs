using System.Numerics.Tensors;
using EdgeLlm.Models;
using EdgeLlm.Tokenization;
using Microsoft.Extensions.AI;

namespace EdgeLlm.Extensions.AI;

/// <summary>
/// An <see cref="IEmbeddingGenerator{String, Embedding}"/> over a model in this process: a <see cref="TextEncoder"/>, or a language model,
/// whose embeddings are the mean of the last hidden states of a text's tokens, of length 1. These are a fair measure of likeness; a model
/// made for embeddings is a better one.
/// </summary>
public sealed class EdgeLlmEmbeddingGenerator : IEmbeddingGenerator<string, Embedding<float>>
{
    private readonly object _model;
    private readonly KvCache? _cache;
    private readonly Tokenizer _tokenizer;
    private readonly string _name;
    private readonly int _dimensions;
    private readonly int _mostTokens;
    private readonly string _prompt = "";
    private readonly bool _isNormalized = true;
    private readonly Func<string, int[], CancellationToken, float[]> _embed;
    private readonly EmbeddingGeneratorMetadata _metadata;
    private readonly SemaphoreSlim _turn = new(1);

    /// <param name="model">The model, which the generator does not dispose of.</param>
    public EdgeLlmEmbeddingGenerator(LanguageModel model)
    {
        ArgumentNullException.ThrowIfNull(model);
        KvCache cache = model.CreateCache();
        (_model, _cache, _tokenizer, _name, _dimensions, _mostTokens) =
            (model, cache, model.Tokenizer, model.Name, model.Info.EmbeddingLength, cache.Capacity);
        _embed = (_, ids, cancellation) => model.Embed(ids, cache, cancellation);
        _metadata = new EmbeddingGeneratorMetadata("edgellm", defaultModelId: _name, defaultModelDimensions: _dimensions);
    }

    /// <param name="encoder">The model, which the generator does not dispose of.</param>
    /// <param name="prompt">The name of one of the encoder's prompts, which goes before each text; null: its own default.</param>
    /// <exception cref="ArgumentException">The encoder has no such prompt.</exception>
    public EdgeLlmEmbeddingGenerator(TextEncoder encoder, string? prompt = null)
    {
        ArgumentNullException.ThrowIfNull(encoder);
        if ((prompt ?? encoder.DefaultPrompt) is { } name && !encoder.Prompts.TryGetValue(name, out _prompt!))
            throw new ArgumentException(
                $"{encoder.Name} has no prompt '{name}'; it has "
                    + $"{(encoder.Prompts.Count == 0 ? "none" : string.Join(", ", encoder.Prompts.Keys))}",
                nameof(prompt));
        (_model, _tokenizer, _name, _dimensions, _mostTokens, _isNormalized) =
            (encoder, encoder.Tokenizer, encoder.Name, encoder.Dimensions, encoder.ContextLength, encoder.IsNormalized);
        _embed = (text, _, cancellation) => encoder.Embed([text], prompt, cancellation)[0];
        _metadata = new EmbeddingGeneratorMetadata("edgellm", defaultModelId: _name, defaultModelDimensions: _dimensions);
    }

    /// <summary>One embedding per text, in order.</summary>
    /// <exception cref="ArgumentException">
    /// A text is null, empty or longer than the context, Dimensions is more than the model has, or another model is named.
    /// </exception>
    public async Task<GeneratedEmbeddings<Embedding<float>>> GenerateAsync(
        IEnumerable<string> values, EmbeddingGenerationOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(values);
        Unsupported.RefuseOtherModel(options?.ModelId, _name);
        int dimensions = options?.Dimensions ?? _dimensions;
        if (dimensions < 1 || dimensions > _dimensions)
            throw new ArgumentOutOfRangeException(nameof(options), $"Dimensions is {dimensions}; it must be 1 to {_dimensions}");
        var embeddings = new GeneratedEmbeddings<Embedding<float>>();
        long tokens = 0;
        foreach (string value in values)
        {
            if (value is null) throw new ArgumentException("a text to embed is null", nameof(values));
            int[] ids = _tokenizer.Encode(_prompt + value, addSpecial: true);
            if (ids.Length == 0) throw new ArgumentException("a text to embed is empty", nameof(values));
            if (ids.Length > _mostTokens)
                throw new ArgumentException($"a text to embed has {ids.Length} tokens; the context has {_mostTokens}", nameof(values));
            await _turn.WaitAsync(cancellationToken).ConfigureAwait(false);
            float[] vector;
            try
            {
                vector = await Task.Run(() => _embed(value, ids, cancellationToken), cancellationToken).ConfigureAwait(false);
            }
            finally
            {
                _turn.Release();
            }
            Array.Resize(ref vector, dimensions);
            float length = TensorPrimitives.Norm(vector);
            if (!float.IsFinite(length))
                throw new NotFiniteException("the length of an embedding is infinite: the model's weights are damaged");
            if (length > 0 && _isNormalized) TensorPrimitives.Divide(vector, length, vector);
            embeddings.Add(new Embedding<float>(vector) { ModelId = _name, CreatedAt = DateTimeOffset.UtcNow });
            tokens += ids.Length;
        }
        embeddings.Usage = new UsageDetails { InputTokenCount = tokens, TotalTokenCount = tokens };
        return embeddings;
    }

    /// <inheritdoc/>
    public object? GetService(Type serviceType, object? serviceKey = null) =>
        ClientServices.Find(serviceType, serviceKey, this, _metadata, _model);

    /// <inheritdoc/>
    public void Dispose()
    {
        _cache?.Dispose(); // requests that wait for their turn find it disposed of
    }
}
