using EdgeLlm.Kernels;
using EdgeLlm.Models.Layers;
using EdgeLlm.Models.Spec;

namespace EdgeLlm.Models.Inspection;

/// <summary>
/// Looks into a model while it reads a text: each token's candidates, and of each layer the logit lens, attention, norms, experts and
/// states. What is seen is what the passes compute: the lens is the model's own last norm and head on a layer's stream; attention is
/// computed again in double from its queries and keys. One use at a time.
/// </summary>
public sealed unsafe class ModelExplainer(LanguageModel model, ExplainOptions options)
{
    private readonly List<ExplainedLayer[]> _layers = []; // of each token
    private int[] _chosen = []; // the layers that are looked at
    private float[] _lens = [];

    /// <summary>Reads a prompt, continues it with the likeliest tokens, and looks at all of them.</summary>
    /// <param name="prompt">At least one token.</param>
    /// <param name="generate">Tokens of the answer, fewer where the model ends it.</param>
    /// <param name="cancellationToken">Ends it between two passes.</param>
    /// <exception cref="ArgumentException">The tokens do not fit into the context, or there are none.</exception>
    /// <exception cref="NotFiniteException">An activation is infinite or not a number.</exception>
    public Explanation Explain(ReadOnlySpan<int> prompt, int generate, CancellationToken cancellationToken = default)
    {
        if (prompt.Length + (long)generate > model.ContextLength)
            throw new ArgumentException(
                $"{prompt.Length} tokens and {generate} of an answer do not fit into the context of {model.ContextLength}");
        using KvCache cache = model.CreateCache();
        cache.Adaptation = model.Adapt(options.Adapters, options.ControlVectors);
        List<int> tokens = [.. prompt];
        ReadOnlySpan<float> last = model.Forward(prompt, cache, cancellationToken);
        for (int i = 0; i < generate; i++)
        {
            int next = IndexOfLargest(last);
            if (model.Tokenizer.IsEndOfGeneration(next)) break;
            tokens.Add(next);
            if (i + 1 < generate) last = model.Forward([next], cache, cancellationToken);
        }
        cache.Truncate(0);
        return Explain(tokens, prompt.Length, cache, cancellationToken);
    }

    private Explanation Explain(List<int> tokens, int prompt, KvCache cache, CancellationToken cancellation)
    {
        ModelSteps steps = model.Steps;
        int vocabulary = model.Info.VocabularySize;
        _chosen = options.Layers
            ? [.. Enumerable.Range(0, steps.Layers.Count).Where(l => l >= options.FirstLayer && l <= options.LastLayer)] : [];
        bool hasStates = _chosen.Length > 0 && steps.Layers.Any(layer => layer.Any(step => step is RecurrentStep and not ConvolveStep));
        int chunk = hasStates ? 1 : Math.Min(model.Options.PrefillChunk, 64); // a state is seen after the last token of a pass
        float[] logits = new float[chunk * vocabulary];
        _lens = new float[options.Layers ? chunk * vocabulary : 0];
        var explained = new List<ExplainedToken>();
        IReadOnlyList<Candidate> candidates = [];
        double[] predicted = new double[vocabulary];
        _layers.Clear();
        try
        {
            if (_chosen.Length > 0)
            {
                model.Observer = See;
                model.LayerObserver = (layer, pass) => SeeLayer(layer, pass, vocabulary);
            }
            for (int done = 0; done < tokens.Count; done += chunk)
            {
                int[] piece = [.. tokens.Skip(done).Take(chunk)];
                for (int t = 0; t < piece.Length && _chosen.Length > 0; t++) _layers.Add([.. _chosen.Select(_ => new ExplainedLayer())]);
                model.ForwardAll(piece, cache, logits, cancellation);
                for (int t = 0; t < piece.Length; t++)
                {
                    int id = piece[t], place = done + t;
                    explained.Add(new ExplainedToken(id)
                    {
                        Probability = place == 0 ? null : predicted[id],
                        Rank = place == 0 ? null : 1 + predicted.Count(probability => probability > predicted[id]),
                        Candidates = candidates,
                        Layers = _chosen.Length > 0 ? _layers[place] : [],
                    });
                    Softmax(logits.AsSpan(t * vocabulary, vocabulary), predicted);
                    candidates = Top(predicted, options.Top);
                }
            }
        }
        finally
        {
            model.Observer = null;
            model.LayerObserver = null;
        }
        int[] heads = [.. _chosen.Select(layer => steps.Layers[layer].OfType<AttendStep>().FirstOrDefault()?.Attention.Heads ?? 0)];
        return new Explanation(explained, prompt, _chosen, heads);
    }

    private void See(Step step, Pass pass)
    {
        if (pass.Layer is not { } layer || Array.IndexOf(_chosen, layer) is not (>= 0 and var index)) return;
        switch (step)
        {
            case AttendStep attend: SeeAttention(attend, pass, index); break;
            case RouteStep route: SeeExperts(route, pass, index); break;
            case RecurrentStep and not ConvolveStep: SeeState((RecurrentStep)step, pass, index); break;
            default: break;
        }
    }

    private void SeeLayer(int layer, Pass pass, int vocabulary)
    {
        if (Array.IndexOf(_chosen, layer) is not (>= 0 and var index)) return;
        Operand stream = model.Steps.Stream;
        double[] norms = new double[pass.Tokens], probabilities = new double[vocabulary];
        for (int t = 0; t < pass.Tokens; t++)
        {
            float* row = stream.Row(t);
            double squares = 0;
            for (int i = 0; i < stream.Width; i++) squares += (double)row[i] * row[i];
            norms[t] = Math.Sqrt(squares);
        }
        fixed (float* logits = _lens) model.Lens(logits);
        for (int t = 0; t < pass.Tokens; t++)
        {
            Softmax(_lens.AsSpan(t * vocabulary, vocabulary), probabilities);
            Update(pass, t, index, seen => seen with { Norm = norms[t], Lens = Top(probabilities, Math.Min(options.Top, 5)) });
        }
    }

    /// <summary>Shares of each head, in double, by what the pass used: queries and keys as they are in the cache.</summary>
    private void SeeAttention(AttendStep step, Pass pass, int index)
    {
        AttentionSpec attention = step.Attention;
        float[] slopes = new float[attention.Heads];
        if (attention.MaxAlibiBias != 0) attention.AlibiSlopes(slopes);
        for (int t = 0; t < pass.Tokens; t++)
        {
            SequencePart part = pass.PartOf(t);
            int position = part.Position + t - part.First,
                first = attention.Window > 0 && !attention.IsBidirectional ? Math.Max(0, position - attention.Window + 1) : 0;
            var heads = new IReadOnlyList<(int, double)>[attention.Heads];
            for (int head = 0; head < attention.Heads; head++)
            {
                KeyValueHead keys = part.Cache.Head(step.Entry, head / attention.GroupSize);
                float* query = step.Queries.Row(t) + head * attention.Dimension;
                double[] scores = new double[position - first + 1];
                for (int p = first; p <= position; p++)
                {
                    double score = Dot(keys, p, query, attention.Dimension) * attention.Scale;
                    if (attention.ScoreCap != 0) score = attention.ScoreCap * Math.Tanh(score / attention.ScoreCap);
                    scores[p - first] = score + slopes[head] * (double)(p - position);
                }
                heads[head] = Shares(scores, first, step.SinkOf(head));
            }
            Update(pass, t, index, seen => seen with { Attention = heads });
        }
    }

    private IReadOnlyList<(int Position, double Share)> Shares(double[] scores, int first, double? sink)
    {
        double largest = Math.Max(scores.Max(), sink ?? double.NegativeInfinity), sum = sink is { } own ? Math.Exp(own - largest) : 0;
        for (int i = 0; i < scores.Length; i++) sum += scores[i] = Math.Exp(scores[i] - largest);
        IEnumerable<(int Position, double Share)> shares = scores.Select((score, i) => (first + i, score / sum));
        return options.Attention == 0 ? [.. shares]
            : [.. shares.OrderByDescending(share => share.Share).ThenBy(share => share.Position).Take(options.Attention)];
    }

    /// <summary>A query's product with a key of the cache, in double.</summary>
    private static double Dot(in KeyValueHead head, int position, float* query, int dimension)
    {
        const int Tile = KeyValueHead.TilePositions;
        long tile = (long)head.PlaceOf(position / Tile) * dimension * Tile + position % Tile;
        double sum = 0;
        for (int d = 0; d < dimension; d++)
        {
            long place = tile + (long)d * Tile;
            double key = head.Type switch
            {
                KeyValueType.F32 => ((float*)head.Keys)[place],
                KeyValueType.F16 => (double)((Half*)head.Keys)[place],
                _ => ((sbyte*)head.Keys)[place],
            };
            sum += key * query[d];
        }
        return head.Type == KeyValueType.I8 ? sum * head.KeyScales[head.PlaceOf(position / Tile) * Tile + position % Tile] : sum;
    }

    private void SeeExperts(RouteStep step, Pass pass, int index)
    {
        for (int t = 0; t < pass.Tokens; t++)
        {
            int* choices = (int*)step.Choices.Row(t);
            float* weights = step.Weights.Row(t);
            (int, double)[] experts = [.. Enumerable.Range(0, step.Choices.Width).Select(k => (choices[k], (double)weights[k]))];
            Update(pass, t, index, seen => seen with { Experts = experts });
        }
    }

    private void SeeState(RecurrentStep step, Pass pass, int index)
    {
        SequencePart part = pass.Parts[0];
        ReadOnlySpan<float> state = part.Cache.StateAfter(step.Entry);
        double squares = 0;
        foreach (float number in state) squares += (double)number * number;
        Update(pass, part.First + part.Tokens - 1, index, seen => seen with { StateNorm = Math.Sqrt(squares) });
    }

    private void Update(Pass pass, int token, int index, Func<ExplainedLayer, ExplainedLayer> change)
    {
        int position = pass.PositionOf(token);
        _layers[position][index] = change(_layers[position][index]);
    }

    private static void Softmax(ReadOnlySpan<float> logits, double[] probabilities)
    {
        double largest = double.NegativeInfinity, sum = 0;
        foreach (float logit in logits) largest = Math.Max(largest, logit);
        for (int i = 0; i < logits.Length; i++) sum += probabilities[i] = Math.Exp(logits[i] - largest);
        for (int i = 0; i < logits.Length; i++) probabilities[i] /= sum;
    }

    private static List<Candidate> Top(double[] probabilities, int count)
    {
        var top = new List<Candidate>(count + 1);
        for (int id = 0; id < probabilities.Length; id++)
        {
            if (top.Count == count && (count == 0 || probabilities[id] <= top[^1].Probability)) continue;
            int place = top.FindIndex(other => other.Probability < probabilities[id]);
            top.Insert(place < 0 ? top.Count : place, new Candidate(id, probabilities[id]));
            if (top.Count > count) top.RemoveAt(count);
        }
        return top;
    }

    private static int IndexOfLargest(ReadOnlySpan<float> logits)
    {
        int best = 0;
        for (int i = 1; i < logits.Length; i++)
        {
            if (logits[i] > logits[best]) best = i;
        }
        return best;
    }
}
