using System.Text.Json;
using EdgeLlm.Generation.Scheduling;
using EdgeLlm.Models;
using EdgeLlm.Server.Engine;
using EdgeLlm.Server.Http;

namespace EdgeLlm.Server.Answers;

/// <summary>Vectors of texts, for all APIs that give them.</summary>
internal static class Vectors
{
    /// <summary>Most texts of a request.</summary>
    public const int MostTexts = 2048;

    /// <summary>The vectors of a field's texts, and how many tokens they have.</summary>
    /// <param name="input">A text, a list of tokens, or a list of either.</param>
    /// <param name="name">The field's name.</param>
    /// <param name="cuts">Whether texts that are too long are cut, or refused.</param>
    /// <param name="dimensions">Numbers of a vector: the first ones, scaled to length 1 again; null: all.</param>
    /// <exception cref="ApiException">A text is wrong, or too long.</exception>
    public static async Task<(float[][] Vectors, int Tokens)> OfAsync(
        InferenceEngine engine, ModelLease lease, JsonElement? input, string name, bool cuts, int? dimensions,
        CancellationToken cancellation)
    {
        TextEncoder encoder = EncoderOf(lease);
        if (dimensions is { } wanted && (wanted < 1 || wanted > encoder.Dimensions))
            throw ApiException.Field("dimensions", $"is {dimensions}; this model's vectors have 1 to {encoder.Dimensions}");
        EncoderText[] texts = TextsOf(encoder, input, name, cuts);
        var vectors = new float[texts.Length][];
        for (int i = 0; i < texts.Length; i++)
        {
            EncoderText text = texts[i];
            float[] vector =
                await ComputeAsync(engine, name, () => encoder.Pool([text], cancellation)[0], cancellation).ConfigureAwait(false);
            vectors[i] = dimensions is { } count && count < vector.Length ? Scaled(vector.AsSpan(0, count)) : vector;
        }
        return (vectors, texts.Sum(text => text.Ids.Length));
    }

    /// <summary>The encoder of a model.</summary>
    /// <exception cref="ApiException">The model can't make vectors.</exception>
    public static TextEncoder EncoderOf(ModelLease lease)
    {
        try
        {
            return lease.Encoder;
        }
        catch (ModelException exception)
        {
            throw new ApiException(400, exception.Message, "unsupported_model", "model");
        }
    }

    /// <summary>Computes between the passes of answers; a text that is wrong is the client's fault.</summary>
    public static async Task<T> ComputeAsync<T>(InferenceEngine engine, string field, Func<T> work, CancellationToken cancellation)
    {
        try
        {
            return await engine.ComputeAsync(work, cancellation).ConfigureAwait(false);
        }
        catch (ArgumentException exception)
        {
            throw ApiException.Field(field, $"can't be taken: {exception.Message}");
        }
    }

    private static EncoderText[] TextsOf(TextEncoder encoder, JsonElement? input, string name, bool cuts)
    {
        JsonElement[] items = input switch
        {
            { ValueKind: JsonValueKind.String } text => [text],
            { ValueKind: JsonValueKind.Array } list when list.GetArrayLength() > 0 => list.EnumerateArray().All(IsToken) ? [list]
                : [.. list.EnumerateArray()],
            { ValueKind: JsonValueKind.Array } => throw ApiException.Field(name, "has no text"),
            null or { ValueKind: JsonValueKind.Null or JsonValueKind.Undefined } => throw ApiException.Field(name, "is missing"),
            _ => throw ApiException.Field(name, "has to be a text, a list of tokens, or a list of these"),
        };
        if (items.Length > MostTexts) throw ApiException.Field(name, $"has {items.Length} texts; at most {MostTexts} are taken");
        return [.. items.Select((item, i) => TextOf(encoder, item, i, name, cuts))];
    }

    private static EncoderText TextOf(TextEncoder encoder, JsonElement item, int index, string name, bool cuts)
    {
        if (item.ValueKind == JsonValueKind.String)
        {
            try
            {
                return encoder.Text(item.GetString()!, index, cuts);
            }
            catch (ArgumentException exception)
            {
                throw ApiException.Field(name, $"can't be taken: {exception.Message}");
            }
        }
        if (item.ValueKind != JsonValueKind.Array || item.GetArrayLength() == 0 || !item.EnumerateArray().All(IsToken))
            throw ApiException.Field($"{name}[{index}]", "has to be a text or a list of tokens");
        int[] ids = [.. item.EnumerateArray().Select(token => token.GetInt32())];
        if (ids.Any(id => (uint)id >= (uint)encoder.Info.VocabularySize))
            throw ApiException.Field(name, $"has a token that this model does not have: they are 0 to {encoder.Info.VocabularySize - 1}");
        if (ids.Length > encoder.ContextLength)
            throw ApiException.Field(name, $"has {ids.Length} tokens, and the context {encoder.ContextLength}");
        return new EncoderText(ids);
    }

    private static bool IsToken(JsonElement item) => item.ValueKind == JsonValueKind.Number && item.TryGetInt32(out _);

    private static float[] Scaled(ReadOnlySpan<float> vector)
    {
        double squares = 0;
        foreach (float number in vector) squares += (double)number * number;
        float inverse = squares == 0 ? 1 : (float)(1 / Math.Sqrt(squares));
        float[] scaled = vector.ToArray();
        for (int i = 0; i < scaled.Length; i++) scaled[i] *= inverse;
        return scaled;
    }
}
