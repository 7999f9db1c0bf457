using System.Runtime.Intrinsics;
using EdgeLlm.Kernels.Scalar;

namespace EdgeLlm.Sampling;

/// <summary>
/// The tokens that may still be chosen. A candidate is one 64-bit key: above, the bits of its logit, turned so that a higher logit
/// is a smaller number; below, its token id. So the smaller key is the better candidate, and of equal logits the lower id is.
/// </summary>
internal sealed class Candidates
{
    private readonly int _vocabularySize;
    private readonly ulong[] _keys;     // [top-k, or the vocabulary]
    private readonly double[] _weights; // [as many]
    private bool _sorted;

    /// <param name="vocabularySize">Length of the logits.</param>
    /// <param name="topK">How many of the best <see cref="Load"/> takes; 0 takes all.</param>
    public Candidates(int vocabularySize, int topK)
    {
        _vocabularySize = vocabularySize;
        int capacity = topK == 0 ? vocabularySize : Math.Min(topK, vocabularySize);
        _keys = new ulong[capacity];
        _weights = new double[capacity];
    }

    public int Count { get; private set; }

    /// <summary>Weights by <see cref="Weigh"/>, by candidate, as long as none is moved or removed.</summary>
    public ReadOnlySpan<double> Weights => _weights.AsSpan(0, Count);

    public int Token(int index) => (int)(uint)_keys[index];

    public float Logit(int index)
    {
        uint ascending = ~(uint)(_keys[index] >> 32);
        return BitConverter.UInt32BitsToSingle((ascending & 0x8000_0000) != 0 ? ascending ^ 0x8000_0000 : ~ascending);
    }

    public float BestLogit()
    {
        int best = 0;
        for (int i = 1; i < Count && !_sorted; i++)
        {
            if (_keys[i] < _keys[best]) best = i;
        }
        return Logit(best);
    }

    /// <summary>
    /// Takes the best top-k tokens, best first, or without top-k all of them, by id. A logit of -infinity is not a candidate.
    /// </summary>
    /// <exception cref="SamplingException">A logit is NaN or +infinity, or all are -infinity.</exception>
    public void Load(ReadOnlySpan<float> logits)
    {
        ulong[] keys = _keys;
        bool limited = keys.Length < _vocabularySize;
        float threshold = float.NegativeInfinity; // a candidate must be above it: the worst kept, once there are top-k
        int count = 0;
        for (int token = 0; (token = NextAbove(threshold, logits, token)) < logits.Length; token++)
        {
            float logit = logits[token];
            if (!(logit <= float.MaxValue)) throw new SamplingException($"cannot sample: the logit of token {token} is {logit}");

            if (count < keys.Length)
            {
                keys[count++] = Key(logit, token);
                if (!limited || count < keys.Length) continue;
                MakeHeap(keys);
            }
            else
            {
                keys[0] = Key(logit, token);
                SiftDown(keys, 0);
            }
            threshold = Logit(0);
        }
        if (count == 0) throw new SamplingException("cannot sample: every token's logit is -infinity (all are banned)");

        Count = count;
        _sorted = false;
        if (limited) Sort();
    }

    /// <summary>Orders the candidates, best first.</summary>
    public void Sort()
    {
        if (_sorted) return;
        Span<ulong> heap = _keys.AsSpan(0, Count);
        MakeHeap(heap);
        for (int last = heap.Length - 1; last > 0; last--)
        {
            (heap[0], heap[last]) = (heap[last], heap[0]);
            SiftDown(heap[..last], 0);
        }
        _sorted = true;
    }

    /// <summary>Sets each weight to exp((logit - best logit) / temperature): its probability times the sum, which is returned.</summary>
    public double Weigh(double temperature = 1)
    {
        double best = BestLogit();
        double sum = 0;
        for (int i = 0; i < Count; i++)
        {
            double weight = Polynomials.Exp((Logit(i) - best) / temperature);
            _weights[i] = weight;
            sum += weight;
        }
        return sum;
    }

    /// <summary>Keeps <paramref name="count"/> candidates from <paramref name="start"/> on.</summary>
    public void Keep(int start, int count)
    {
        _keys.AsSpan(start, count).CopyTo(_keys);
        Count = count;
    }

    /// <summary>Keeps, in their order, the candidates whose logits are at most this far below the best.</summary>
    public void KeepWithin(double distance)
    {
        double best = BestLogit();
        int kept = 0;
        for (int i = 0; i < Count; i++)
        {
            if (best - Logit(i) <= distance) _keys[kept++] = _keys[i];
        }
        Count = kept;
    }

    /// <summary>
    /// The next token whose logit is above the threshold, or NaN; or the length. With top-k nearly all tokens are passed over here.
    /// </summary>
    private static int NextAbove(float threshold, ReadOnlySpan<float> logits, int token)
    {
        var thresholds = Vector256.Create(threshold);
        while (token <= logits.Length - Vector256<float>.Count
            && Vector256.LessThanOrEqualAll(Vector256.Create(logits[token..]), thresholds))
        {
            token += Vector256<float>.Count;
        }
        while (token < logits.Length && logits[token] <= threshold) token++;
        return token;
    }

    private static ulong Key(float logit, int token)
    {
        uint bits = BitConverter.SingleToUInt32Bits(logit + 0f); // -0 becomes 0, which it ties with
        uint ascending = (bits & 0x8000_0000) != 0 ? ~bits : bits ^ 0x8000_0000;
        return (ulong)~ascending << 32 | (uint)token;
    }

    /// <summary>A heap with the worst candidate at its root.</summary>
    private static void MakeHeap(Span<ulong> keys)
    {
        for (int parent = keys.Length / 2 - 1; parent >= 0; parent--) SiftDown(keys, parent);
    }

    private static void SiftDown(Span<ulong> heap, int parent)
    {
        ulong key = heap[parent];
        while (2 * parent + 1 < heap.Length)
        {
            int child = 2 * parent + 1;
            if (child + 1 < heap.Length && heap[child + 1] > heap[child]) child++;
            if (heap[child] <= key) break;
            heap[parent] = heap[child];
            parent = child;
        }
        heap[parent] = key;
    }
}
