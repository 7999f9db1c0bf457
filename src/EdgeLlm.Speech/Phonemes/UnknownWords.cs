using System.Buffers;
using System.Runtime.InteropServices;
using System.Text;
using EdgeLlm.Files;
using EdgeLlm.Kernels;
using EdgeLlm.Kernels.Formats;
using EdgeLlm.Kernels.Scalar;
using EdgeLlm.Models;
using EdgeLlm.Speech.Onnx;

namespace EdgeLlm.Speech.Phonemes;

/// <summary>
/// The net that reads words no dictionary has: an encoder of letters (4 layers, 128 wide, 4 heads) with four signs or blanks a letter at
/// its end, of which repetitions and blanks are left out (connectionist temporal classification).
/// </summary>
/// <remarks>Not safe for several threads at once. The bits are the same on every kernel.</remarks>
internal sealed unsafe class UnknownWords : IDisposable
{
    /// <summary>Most letters that the net sees at once: it has that number of positions.</summary>
    public const int Window = 24;

    private const int Width = 128, Layers = 4, Heads = 4, HeadWidth = Width / Heads, Hidden = 384, Slots = 4;
    private const float Epsilon = 1e-5f;

    private readonly string _letters;
    private readonly string _signs;
    private readonly MemoryHandle _weights;
    private readonly Kernel _kernel = Kernel.Best;
    private readonly AlignedBuffer _scratch;
    private readonly float[] _x = new float[Window * Width], _normed = new float[Window * Width], _wide = new float[Window * 3 * Width],
        _mixed = new float[Window * Width];
    private readonly float[] _logits;

    /// <exception cref="ModelException">The net's numbers are not as many as its letters and signs ask for.</exception>
    public UnknownWords(TextParts parts)
    {
        _letters = Encoding.UTF8.GetString(parts[TextParts.UnknownLetters].Span);
        _signs = Encoding.UTF8.GetString(parts[TextParts.UnknownSigns].Span);
        long floats = FloatCount(_letters.Length, _signs.Length);
        if (parts[TextParts.UnknownWeights].Length != floats * sizeof(float))
            throw new ModelException(parts.Source,
                $"the net for unknown words has {parts[TextParts.UnknownWeights].Length} bytes, not {floats * sizeof(float)}");
        _weights = parts[TextParts.UnknownWeights].Pin();
        _scratch = new AlignedBuffer(_kernel.ScratchBytes(Hidden));
        _logits = new float[Window * Classes * Slots];
    }

    /// <summary>Multiply-adds computed so far.</summary>
    public long Work { get; private set; }

    private int Classes => _signs.Length + 1;

    /// <summary>Whether the net knows a letter. Others are left out of a word.</summary>
    public bool Knows(char letter) => _letters.Contains(letter);

    /// <summary>
    /// The phonemes of a word; nothing where the net knows none of its letters. Longer ones than it can see are read in windows that
    /// overlap by half.
    /// </summary>
    public string Read(ReadOnlySpan<char> word)
    {
        Span<int> ids = word.Length <= 256 ? stackalloc int[word.Length] : new int[word.Length];
        int count = 0;
        foreach (char letter in word)
        {
            int index = _letters.IndexOf(letter);
            if (index >= 0) ids[count++] = index + 1;
        }
        var phonemes = new StringBuilder();
        int last = 0;
        for (int start = 0, read = 0; read < count; start += Window / 2)
        {
            int length = Math.Min(Window, count - start);
            bool isLast = start + length == count;
            Compute(ids.Slice(start, length));
            int end = isLast ? length : Window * 3 / 4; // a letter is taken from the window in which it is farther from the edge
            for (int slot = (read - start) * Slots; slot < end * Slots; slot++)
            {
                int best = Best(slot);
                if (best != last && best != 0) phonemes.Append(_signs[best - 1]);
                last = best;
            }
            read = start + end;
        }
        return phonemes.ToString();
    }

    public void Dispose()
    {
        _weights.Dispose();
        _scratch.Dispose();
    }

    /// <summary>The numbers of the published file in the order in which they are used, float32; matrices as rows of outputs.</summary>
    /// <exception cref="FileException">The file is not such a net.</exception>
    public static byte[] ReadWeights(string path)
    {
        OnnxGraph graph = OnnxGraph.Open(path);
        try
        {
            string[] matrices = [.. graph.Nodes.Where(static node => node.Operation == "MatMul" && node.Inputs.Count == 2)
                .Select(static node => node.Inputs[1]).Where(graph.Initializers.ContainsKey)];
            if (matrices.Length != 4 * Layers + 1)
                throw new InvalidDataException($"has {matrices.Length} matrices, not the {4 * Layers + 1} of a net for unknown words");
            var numbers = new MemoryStream();
            Add("m.emb.weight", graph.Initializer("m.emb.weight").Shape[0], Width);
            Add("m.pos", Window, Width);
            for (int layer = 0; layer < Layers; layer++)
            {
                string name = $"m.layers.{layer}.";
                AddNorm(name + "norm1");
                AddMatrix(matrices[4 * layer], Width, 3 * Width);
                Add(name + "self_attn.in_proj_bias", 3 * Width);
                AddMatrix(matrices[4 * layer + 1], Width, Width);
                Add(name + "self_attn.out_proj.bias", Width);
                AddNorm(name + "norm2");
                AddMatrix(matrices[4 * layer + 2], Width, Hidden);
                Add(name + "linear1.bias", Hidden);
                AddMatrix(matrices[4 * layer + 3], Hidden, Width);
                Add(name + "linear2.bias", Width);
            }
            AddNorm("m.norm");
            int outputs = graph.Initializer("m.head.bias").Count;
            AddMatrix(matrices[^1], Width, outputs);
            Add("m.head.bias", outputs);
            return numbers.ToArray();

            void Add(string name, params ReadOnlySpan<int> shape)
            {
                OnnxTensor tensor = graph.Initializer(name);
                tensor.RequireShape(shape);
                numbers.Write(MemoryMarshal.AsBytes<float>(tensor.Floats()));
            }

            void AddNorm(string name)
            {
                Add(name + ".weight", Width);
                Add(name + ".bias", Width);
            }

            void AddMatrix(string name, int inputs, int columns)
            {
                OnnxTensor tensor = graph.Initializer(name);
                tensor.RequireShape(inputs, columns);
                float[] matrix = tensor.Floats(), turned = new float[matrix.Length];
                for (int input = 0; input < inputs; input++)
                {
                    for (int column = 0; column < columns; column++) turned[column * inputs + input] = matrix[input * columns + column];
                }
                numbers.Write(MemoryMarshal.AsBytes<float>(turned));
            }
        }
        catch (InvalidDataException exception)
        {
            throw new FileException(path, exception.Message, exception);
        }
    }

    private static long FloatCount(int letters, int signs)
    {
        const long Layer = 4 * Width + 4L * Width * Width + 4 * Width + 2L * Width * Hidden + Hidden + Width;
        long outputs = (signs + 1L) * Slots;
        return (letters + 1L + Window) * Width + Layers * Layer + 2 * Width + outputs * (Width + 1);
    }

    private int Best(int slot)
    {
        int best = 0;
        for (int c = 1; c < Classes; c++)
        {
            if (_logits[slot * Classes + c] > _logits[slot * Classes + best]) best = c;
        }
        return best;
    }

    /// <summary>Logits [letters, slots, classes] of at most <see cref="Window"/> letters.</summary>
    private void Compute(ReadOnlySpan<int> ids)
    {
        fixed (float* x = _x, normed = _normed, wide = _wide, mixed = _mixed, logits = _logits)
        {
            float* w = (float*)_weights.Pointer;
            int n = ids.Length;
            float* positions = w + (_letters.Length + 1) * Width;
            for (int t = 0; t < n; t++)
            {
                for (int i = 0; i < Width; i++) x[t * Width + i] = w[ids[t] * Width + i] + positions[t * Width + i];
            }
            w = positions + Window * Width;
            for (int layer = 0; layer < Layers; layer++)
            {
                w = Norm(w, x, normed, n);
                w = Product(w, normed, Width, wide, 3 * Width, n);
                Attend(wide, mixed, n);
                w = Product(w, mixed, Width, normed, Width, n);
                _kernel.Add(x, normed, n * Width);
                w = Norm(w, x, normed, n);
                w = Product(w, normed, Width, wide, Hidden, n);
                _kernel.Activate(Activation.Gelu, wide, null, n * Hidden);
                w = Product(w, wide, Hidden, normed, Width, n);
                _kernel.Add(x, normed, n * Width);
            }
            w = Norm(w, x, normed, n);
            Product(w, normed, Width, logits, Classes * Slots, n);
        }
    }

    private float* Norm(float* w, float* x, float* y, int n)
    {
        for (int t = 0; t < n; t++) _kernel.LayerNorm(x + t * Width, w, w + Width, y + t * Width, Width, Epsilon);
        return w + 2 * Width;
    }

    /// <summary>y[t] = W x[t] + bias.</summary>
    /// <returns>Where the numbers after the bias begin.</returns>
    private float* Product(float* w, float* x, int inputs, float* y, int outputs, int n)
    {
        var matrix = new WeightMatrix((byte*)w, ElementType.F32, outputs, inputs);
        _kernel.Multiply(matrix, x, inputs, n, y, outputs, 0, outputs, _scratch.Start);
        float* bias = w + inputs * outputs;
        for (int t = 0; t < n; t++) _kernel.Add(y + t * outputs, bias, outputs);
        Work += (long)n * inputs * outputs;
        return bias + outputs;
    }

    /// <summary>Attention of all letters to all, from queries, keys and values [n, 3, heads, 32].</summary>
    private static void Attend(float* qkv, float* y, int n)
    {
        float* weights = stackalloc float[Window];
        float scale = 1 / MathF.Sqrt(HeadWidth);
        for (int head = 0; head < Heads; head++)
        {
            for (int t = 0; t < n; t++)
            {
                float* query = qkv + t * 3 * Width + head * HeadWidth;
                float largest = float.NegativeInfinity, sum = 0;
                for (int s = 0; s < n; s++)
                {
                    float* key = qkv + s * 3 * Width + Width + head * HeadWidth;
                    float dot = 0;
                    for (int i = 0; i < HeadWidth; i++) dot = MathF.FusedMultiplyAdd(query[i], key[i], dot);
                    weights[s] = dot * scale;
                    largest = MathF.Max(largest, weights[s]);
                }
                for (int s = 0; s < n; s++) sum += weights[s] = Polynomials.Exp(weights[s] - largest);
                float* output = y + t * Width + head * HeadWidth;
                for (int i = 0; i < HeadWidth; i++) output[i] = 0;
                for (int s = 0; s < n; s++)
                {
                    float* value = qkv + s * 3 * Width + 2 * Width + head * HeadWidth;
                    float weight = weights[s] / sum;
                    for (int i = 0; i < HeadWidth; i++) output[i] = MathF.FusedMultiplyAdd(weight, value[i], output[i]);
                }
            }
        }
    }
}
