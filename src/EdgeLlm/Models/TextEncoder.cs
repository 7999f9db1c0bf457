using EdgeLlm.Kernels.Scalar;
using EdgeLlm.Tokenization;

namespace EdgeLlm.Models;

/// <summary>How a text's hidden states become one vector; the numbers are those of the key `{architecture}.pooling_type`.</summary>
public enum Pooling
{
    /// <summary>Their mean.</summary>
    Mean = 1,

    /// <summary>The first token's.</summary>
    Cls = 2,

    /// <summary>The last token's.</summary>
    Last = 3,
}

/// <summary>A text's score by a cross-encoder.</summary>
/// <param name="Index">Its place among the texts that were given.</param>
/// <param name="Score">The classifier's output as it is: larger is better.</param>
/// <param name="Text">The text.</param>
public sealed record RankedText(int Index, float Score, string Text)
{
    /// <summary>The score as a number from 0 to 1: its logistic function.</summary>
    public double Relevance => 1 / (1 + Polynomials.Exp(-(double)Score));
}

/// <summary>
/// A model that makes vectors of texts: an encoder (BERT and its kin), or a generating model whose hidden states are pooled. Calls may come
/// from any thread, and take turns. A text's vector has the same bits alone and among others.
/// </summary>
public sealed class TextEncoder : IDisposable
{
    private readonly LanguageModel _model;
    private readonly SentenceSettings _settings;

    private TextEncoder(LanguageModel model, Pooling? pooling, bool? isNormalized)
    {
        _model = model;
        _settings = model.ReadSentenceSettings();
        Pooling = pooling ?? _settings.Pooling ?? Pooling.Mean;
        IsNormalized = isNormalized ?? _settings.IsNormalized ?? true;
        if (!model.IsEncoder && Pooling == Pooling.Cls)
            throw new ModelException(model.Path,
                "generates text: its first token knows nothing of those after it, so pooling can't be cls; take mean or last");
    }

    /// <summary>How hidden states become one vector: as was asked for, else as the file says, else their mean.</summary>
    public Pooling Pooling { get; }

    /// <summary>Whether vectors are divided by their lengths: as was asked for, else as the file says, else they are.</summary>
    public bool IsNormalized { get; }

    /// <summary>Numbers of a vector.</summary>
    public int Dimensions => _model.VectorWidth;

    /// <summary>
    /// Texts that the model was trained to see before texts of a kind, by the kind's name, such as `query`; empty where its file has none.
    /// </summary>
    public IReadOnlyDictionary<string, string> Prompts => _settings.Prompts;

    /// <summary>The prompt (its name) of texts for which nobody names one; null: they get none.</summary>
    public string? DefaultPrompt => _settings.DefaultPrompt;

    /// <summary>The model in figures.</summary>
    public ModelInfo Info => _model.Info;

    /// <summary>Most tokens of a text.</summary>
    public int ContextLength => _model.ContextLength;

    /// <summary>The model's name.</summary>
    public string Name => _model.Name;

    /// <summary>Text to tokens.</summary>
    public Tokenizer Tokenizer => _model.Tokenizer;

    /// <summary>Numbers that a cross-encoder's classifier gives; 0: it is none.</summary>
    public int Labels => _model.Labels;

    /// <summary>Over a model that is open, which is disposed of with it.</summary>
    internal static TextEncoder Of(LanguageModel model) => new(model, null, null);

    /// <summary>Opens a GGUF file or a Hugging Face folder.</summary>
    /// <param name="pooling">null: as the file says.</param>
    /// <param name="normalize">null: as the file says.</param>
    /// <exception cref="FileNotFoundException">There is no such file or folder.</exception>
    /// <exception cref="ModelException">It is not a model that runs here, or can't be pooled like this, or it can't fit into
    /// memory.</exception>
    /// <exception cref="Gguf.GgufException">The file is damaged or no GGUF file.</exception>
    public static TextEncoder Load(string path, ModelOptions? options = null, Pooling? pooling = null, bool? normalize = null)
    {
        LanguageModel model = LanguageModel.Open(path, options ?? new ModelOptions(), encoders: true);
        try
        {
            return new TextEncoder(model, pooling, normalize);
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    /// <summary>A vector [<see cref="Dimensions"/>] of each text, after <see cref="DefaultPrompt"/> where there is one.</summary>
    /// <exception cref="ArgumentException">A text has no token, or more than <see cref="ContextLength"/>; the message has its
    /// number.</exception>
    /// <exception cref="NotFiniteException">An activation is infinite or not a number.</exception>
    public float[][] Embed(IReadOnlyList<string> texts, CancellationToken cancellationToken = default) =>
        Embed(texts, prompt: null, cancellationToken);

    /// <summary>A vector [<see cref="Dimensions"/>] of each text.</summary>
    /// <param name="texts">The texts.</param>
    /// <param name="prompt">The name of one of <see cref="Prompts"/>, which goes before each text; null:
    /// <see cref="DefaultPrompt"/>.</param>
    /// <exception cref="ArgumentException">There is no such prompt; or a text has no token, or more than <see cref="ContextLength"/>; the
    /// message has its number.</exception>
    /// <exception cref="NotFiniteException">An activation is infinite or not a number.</exception>
    public float[][] Embed(IReadOnlyList<string> texts, string? prompt, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(texts);
        string before = PromptOf(prompt);
        return Pool(
            [.. texts.Select((text, i) =>
                new EncoderText(Tokens(before + (text ?? throw new ArgumentException($"text {i + 1} is null", nameof(texts))), i)))],
                cancellationToken);
    }

    /// <summary>Text before texts of a kind.</summary>
    /// <exception cref="ArgumentException">There is no such prompt.</exception>
    internal string PromptOf(string? name)
    {
        if ((name ?? DefaultPrompt) is not { } wanted) return "";
        if (Prompts.TryGetValue(wanted, out string? prompt)) return prompt;
        string known = Prompts.Count == 0 ? "it has none"
            : $"there are {string.Join(", ", Prompts.Keys.Select(known => Printable.Line(known)))}";
        throw new ArgumentException($"{Name} has no prompt '{Printable.Line(wanted)}': {known}", nameof(name));
    }

    /// <summary>Texts by their scores for a query, best first; equal ones as they were given.</summary>
    /// <exception cref="InvalidOperationException">The model is not a cross-encoder with one label.</exception>
    /// <exception cref="ArgumentException">A text has more tokens with the query than <see cref="ContextLength"/>.</exception>
    public IReadOnlyList<RankedText> Rerank(string query, IReadOnlyList<string> texts, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(query);
        ArgumentNullException.ThrowIfNull(texts);
        if (Labels != 1)
            throw new InvalidOperationException(
                $"{Name} has {(Labels == 0 ? "no classifier" : $"{Labels} labels")}: reranking needs a cross-encoder with one label");
        EncoderText[] pairs = [.. texts.Select((text, i) => Pair(query, text, i))];
        float[] scores = new float[pairs.Length];
        _model.Encode(pairs, (i, _, logits) => scores[i] = logits[0], cancellationToken);
        return [.. scores.Select((score, i) => new RankedText(i, score, texts[i])).OrderByDescending(text => text.Score)];
    }

    /// <inheritdoc/>
    public void Dispose() => _model.Dispose();

    /// <summary>Vectors of texts as tokens.</summary>
    internal float[][] Pool(IReadOnlyList<EncoderText> texts, CancellationToken cancellation = default)
    {
        float[][] vectors = new float[texts.Count][];
        Encode(texts, (i, hidden, _) => vectors[i] = PooledOf(hidden), cancellation);
        return vectors;
    }

    /// <summary>Hidden states [tokens, width] of each text, and a cross-encoder's logits [labels].</summary>
    internal void Encode(IReadOnlyList<EncoderText> texts, EncodedText take, CancellationToken cancellation = default) =>
        _model.Encode(texts, take, cancellation);

    /// <summary>A vector of hidden states [tokens, width].</summary>
    internal float[] PooledOf(ReadOnlySpan<float> hidden)
    {
        int width = Info.EmbeddingLength, tokens = hidden.Length / width;
        float[] vector = new float[width];
        switch (Pooling)
        {
            case Pooling.Cls: hidden[..width].CopyTo(vector); break;
            case Pooling.Last: hidden[^width..].CopyTo(vector); break;
            default:
                for (int t = 0; t < tokens; t++)
                {
                    for (int i = 0; i < width; i++) vector[i] += hidden[t * width + i];
                }
                for (int i = 0; i < width; i++) vector[i] /= tokens;
                break;
        }
        vector = _model.Finish(vector);
        double squares = 0;
        foreach (float number in vector) squares += (double)number * number;
        if (!double.IsFinite(squares))
            throw new NotFiniteException("the sum of a text's hidden states is infinite: the model's weights are damaged");
        if (!IsNormalized || squares == 0) return vector;
        float inverse = (float)(1 / Math.Sqrt(squares));
        for (int i = 0; i < vector.Length; i++) vector[i] *= inverse;
        return vector;
    }

    /// <summary>
    /// A text as tokens, after <see cref="DefaultPrompt"/> where there is one; one that is too long is cut where it may be, its last token
    /// kept.
    /// </summary>
    /// <exception cref="ArgumentException">It has no token, or more than <see cref="ContextLength"/> and may not be cut.</exception>
    internal EncoderText Text(string text, int index, bool cuts)
    {
        text = PromptOf(null) + text;
        if (!cuts) return new EncoderText(Tokens(text, index));
        int[] ids = Tokenizer.Encode(text, addSpecial: true);
        if (ids.Length == 0) throw new ArgumentException($"text {index + 1} has no token");
        return new EncoderText(ids.Length <= ContextLength ? ids : [.. ids.AsSpan(0, ContextLength - 1), ids[^1]]);
    }

    private int[] Tokens(string text, int index)
    {
        int[] ids = Tokenizer.Encode(text, addSpecial: true);
        if (ids.Length == 0) throw new ArgumentException($"text {index + 1} has no token");
        return Fitting(ids, index);
    }

    /// <summary>
    /// Query and text as the tokenizer puts a pair together. Where it does not say: as BERT takes them, [CLS] query [SEP] text [SEP] with
    /// two types; with one type as RoBERTa, which has two separators between them.
    /// </summary>
    private EncoderText Pair(string query, string text, int index)
    {
        bool hasTypes = _model.TokenTypes > 1;
        if (Tokenizer.EncodePair(query, text) is { } pair) return new EncoderText(Fitting(pair.Ids, index))
        {
            Types = hasTypes ? pair.Types : [],
        };
        int[] first = Tokenizer.Encode(query, addSpecial: true), second = Tokenizer.Encode(text, addSpecial: true);
        int[] ids = [.. first, .. hasTypes ? [] : new[] { first[^1] }, .. second.AsSpan(1)];
        byte[] types = new byte[ids.Length];
        if (hasTypes) types.AsSpan(first.Length).Fill(1);
        return new EncoderText(Fitting(ids, index)) { Types = types };
    }

    private int[] Fitting(int[] ids, int index) => ids.Length <= ContextLength ? ids
        : throw new ArgumentException(
            $"text {index + 1} has {ids.Length} tokens, and the context {ContextLength}: take shorter ones, or a larger context where "
                + "the model knows one");
}

/// <summary>A text as tokens.</summary>
internal sealed record EncoderText(int[] Ids)
{
    /// <summary>A type for each token; empty: all are 0.</summary>
    public byte[] Types { get; init; } = [];
}

/// <summary>Takes what was computed of a text.</summary>
/// <param name="hidden">[tokens, width].</param>
/// <param name="logits">[labels]</param>
internal delegate void EncodedText(int index, ReadOnlySpan<float> hidden, ReadOnlySpan<float> logits);
