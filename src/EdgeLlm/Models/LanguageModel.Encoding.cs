using EdgeLlm.Models.Layers;
using EdgeLlm.Models.Spec;

namespace EdgeLlm.Models;

public sealed unsafe partial class LanguageModel
{
    /// <summary>
    /// Positions of an encoder's context when the caller names none and the model allows it: all of them are computed in one pass.
    /// </summary>
    private const int DefaultEncoderLength = 2048;

    internal bool IsEncoder => _steps.Model.IsEncoder;

    /// <summary>Numbers that an encoder's classifier gives; 0: it has none.</summary>
    internal int Labels => _steps.Model.Labels;

    /// <summary>Types that a token may have; 0: there are none.</summary>
    internal int TokenTypes => _steps.Model.TokenTypes;

    /// <summary>Numbers of a text's vector.</summary>
    internal int VectorWidth => _steps.Model.VectorWidth;

    /// <summary>Settings of the file for the vectors of texts.</summary>
    internal SentenceSettings ReadSentenceSettings() => ReadFile(file =>
    {
        var keys = new ModelKeys(file, Info.Architecture);
        int pooling = keys.SizeOr(ModelKeys.PoolingType, 0);
        string[] names = keys.Texts(ModelKeys.PromptNames), prompts = keys.Texts(ModelKeys.Prompts);
        if (names.Length != prompts.Length)
            throw keys.Error(ModelKeys.PromptNames, $"has {names.Length} names of {prompts.Length} prompts");
        var byName = new Dictionary<string, string>();
        for (int i = 0; i < names.Length; i++) byName[names[i]] = prompts[i];
        string? usual = keys.Has(ModelKeys.DefaultPrompt) ? keys.TextOr(ModelKeys.DefaultPrompt, "") : null;
        if (usual is not null && !byName.ContainsKey(usual))
            throw keys.Error(ModelKeys.DefaultPrompt, $"is '{Printable.Line(usual)}', which is not one of the prompts");
        return new SentenceSettings
        {
            Pooling = pooling is >= (int)Pooling.Mean and <= (int)Pooling.Last ? (Pooling?)pooling : null, // 4 is a classifier's
            IsNormalized = keys.Has(ModelKeys.IsNormalized) ? keys.Flag(ModelKeys.IsNormalized) : null,
            Prompts = byName,
            DefaultPrompt = usual,
        };
    });

    /// <summary>A text's vector [<see cref="VectorWidth"/>] of its pooled one.</summary>
    internal float[] Finish(float[] pooled)
    {
        if (_steps.Dense.Count == 0) return pooled;
        ThrowIfDisposed();
        float[] vector = new float[VectorWidth];
        using Lock.Scope turn = EnterTurn();
        _transformer.Finish(pooled, vector);
        return vector;
    }

    /// <summary>Computes texts, several in a pass where they fit.</summary>
    /// <param name="take">Is called with each text's hidden states and logits, in order.</param>
    /// <exception cref="ArgumentException">A text has no token, too many, or one that is not in the vocabulary.</exception>
    internal void Encode(IReadOnlyList<EncoderText> texts, EncodedText take, CancellationToken cancellation)
    {
        int width = Info.EmbeddingLength;
        for (int first = 0; first < texts.Count;)
        {
            int count = 0, tokens = 0;
            while (first + count < texts.Count && count < Pass.MostSequences
                && (count == 0 || IsEncoder && tokens + texts[first + count].Ids.Length <= _transformer.Chunk))
                tokens += texts[first + count++].Ids.Length;
            float[] hidden = GC.AllocateUninitializedArray<float>(checked(tokens * width), pinned: true),
                logits = GC.AllocateArray<float>(Math.Max(1, count * Labels), pinned: true);
            EncodeTogether([.. texts.Skip(first).Take(count)], hidden, logits, cancellation);
            for (int i = 0, start = 0; i < count; i++)
            {
                int floats = texts[first + i].Ids.Length * width;
                take(first + i, hidden.AsSpan(start, floats), logits.AsSpan(i * Labels, Labels));
                start += floats;
            }
            first += count;
        }
    }

    private void EncodeTogether(EncoderText[] texts, float[] hidden, float[] logits, CancellationToken cancellation)
    {
        ThrowIfDisposed();
        var caches = new List<KvCache>();
        try
        {
            foreach (EncoderText text in texts)
            {
                if (text.Ids.Length > ContextLength)
                    throw new ArgumentException($"{text.Ids.Length} tokens exceed the context of {ContextLength}", nameof(texts));
                caches.Add(new KvCache(_steps.Cache, Math.Max(1, text.Ids.Length), Options.PrefillChunk, Options.CacheType, 1));
                CheckTokens(text.Ids, caches[^1]);
                foreach (byte type in text.Types)
                {
                    if (type >= Math.Max(1, TokenTypes))
                        throw new ArgumentException($"a token has the type {type}, and the model knows {TokenTypes}", nameof(texts));
                }
            }
            fixed (float* hiddenStart = hidden, logitsStart = logits)
            {
                if (IsEncoder)
                {
                    using Lock.Scope turn = EnterTurn();
                    _transformer.Encode(texts, caches, Labels > 0 ? logitsStart : null, hiddenStart, cancellation);
                    return;
                }
                int[] ids = texts[0].Ids;
                for (int done = 0; done < ids.Length; done += _transformer.Chunk)
                {
                    int count = Math.Min(_transformer.Chunk, ids.Length - done);
                    Run(ids.AsSpan(done, count), caches[0], null, hiddenStart + (nint)done * Info.EmbeddingLength, count, cancellation);
                }
            }
        }
        finally
        {
            foreach (KvCache cache in caches) cache.Dispose();
        }
    }

    /// <summary>Refuses an encoder where text is to be generated.</summary>
    /// <exception cref="ModelException">It is an encoder.</exception>
    internal static void RequireGenerating(ModelSpec spec, string path)
    {
        if (spec.IsEncoder)
            throw new ModelException(path,
                $"is an encoder ({spec.Architecture}), which makes vectors of texts and no text: "
                    + $"{(spec.Labels > 0 ? "edgellm rerank" : "edgellm embed")} runs it");
    }

    /// <summary>Options as a kind of model takes them: an encoder computes a text in one pass, and keeps its keys as floats.</summary>
    private static ModelOptions OptionsFor(ModelSteps steps, ModelOptions options)
    {
        if (!steps.Model.IsEncoder) return options;
        int most = Math.Max(1, Math.Min(ModelOptions.MaximumChunk, (1 << 26) / steps.Registers.Widest));
        int context = options.ContextLength > 0 ? options.ContextLength
            : Math.Min(Math.Min(steps.Model.ContextLength, Most(steps.Model)), most);
        if (context > most)
            throw new ArgumentOutOfRangeException(nameof(options),
                $"ContextLength is {context}; this encoder's can be {most}, as a text is computed in one pass");
        return options with { ContextLength = context, PrefillChunk = context, CacheType = Kernels.KeyValueType.F32 };

        static int Most(ModelSpec model) => model.MostTextTokens > 0 ? model.MostTextTokens : DefaultEncoderLength;
    }
}

/// <summary>Settings of a model's file for the vectors of texts.</summary>
internal sealed record SentenceSettings
{
    /// <summary>How hidden states become one vector; null: it does not say.</summary>
    public Pooling? Pooling { get; init; }

    /// <summary>Whether vectors are divided by their lengths; null: it does not say.</summary>
    public bool? IsNormalized { get; init; }

    /// <summary>Text before texts of a kind, by the kind's name.</summary>
    public required IReadOnlyDictionary<string, string> Prompts { get; init; }

    /// <summary>The name of the prompt of texts whose kind nobody names; null: none.</summary>
    public string? DefaultPrompt { get; init; }
}
