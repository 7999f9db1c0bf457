using EdgeLlm.Kernels.Arm;
using EdgeLlm.Kernels.Scalar;
using EdgeLlm.Kernels.X86;

namespace EdgeLlm.Kernels;

/// <summary>
/// The arithmetic of a forward pass on one instruction set. <see cref="ScalarKernel"/> is the specification: every other kernel gives
/// the same bits. One call covers a range of rows, a token or a head: nothing is dispatched inside a loop.
/// </summary>
internal abstract unsafe class Kernel
{
    /// <summary>Name for `--kernel` and EDGELLM_KERNEL.</summary>
    public abstract string Name { get; }

    /// <summary>The kernels that this processor can run, best first; scalar is always the last.</summary>
    public static IReadOnlyList<Kernel> Available { get; } = FindAvailable();

    /// <summary>The kernel that EDGELLM_KERNEL names, else the best.</summary>
    /// <exception cref="ArgumentException">EDGELLM_KERNEL names one that this processor does not have.</exception>
    public static Kernel Best => Environment.GetEnvironmentVariable("EDGELLM_KERNEL") is { Length: > 0 } name ? Choose(name) : Available[0];

    /// <exception cref="ArgumentException">This processor has no such kernel.</exception>
    public static Kernel Choose(string name) =>
        Available.FirstOrDefault(kernel => kernel.Name == name)
        ?? throw new ArgumentException(
            $"no kernel '{name}' on this processor; it has {string.Join(", ", Available.Select(kernel => kernel.Name))}");

    /// <summary>
    /// y[t * yStride + r] = sum over c of w[r, c] * x[t, c], for the rows in [firstRow, endRow) and int8 activations; weights not packed.
    /// </summary>
    /// <param name="scratch">At least <see cref="ScratchBytes"/> of the calling thread's own memory, 64-byte aligned.</param>
    public abstract void Multiply(in WeightMatrix weights, in QuantizedActivations x, int tokens, float* y, nint yStride, int firstRow,
        int endRow, byte* scratch);

    /// <summary>The product with float activations x[t * xStride + c]; weights of any type.</summary>
    public abstract void Multiply(in WeightMatrix weights, float* x, nint xStride, int tokens, float* y, nint yStride, int firstRow,
        int endRow, byte* scratch);

    /// <summary>Scratch that <c>Multiply</c> needs a thread for matrices up to this width.</summary>
    public abstract long ScratchBytes(int columns);

    /// <summary>Writes row <paramref name="token"/> of <paramref name="target"/> from Columns floats.</summary>
    public abstract void Quantize(float* x, in QuantizedActivations target, int token);

    /// <summary>Writes row <paramref name="token"/> of <paramref name="target"/> from Columns floats.</summary>
    public abstract void QuantizePacked(float* x, in PackedActivations target, int token);

    /// <summary>
    /// The product with packed weights; <paramref name="firstRow"/> is a multiple of 8, and so is <paramref name="endRow"/> but at the
    /// matrix's end.
    /// </summary>
    /// <param name="scratch">At least <see cref="ScratchBytes"/> of the calling thread's own memory, 64-byte aligned.</param>
    public abstract void MultiplyPacked(in WeightMatrix weights, in PackedActivations x, int tokens, float* y, nint yStride, int firstRow,
        int endRow, byte* scratch);

    /// <summary>y = x / sqrt(mean(x * x) + epsilon) * weight. False where x is not finite (y is not to be used then).</summary>
    public abstract bool RmsNorm(float* x, float* weight, float* y, int count, float epsilon);

    /// <summary>
    /// y = (x - mean) / sqrt(mean((x - mean)^2) + epsilon) * weight + bias, which may be null. False where x is not finite.
    /// </summary>
    public abstract bool LayerNorm(float* x, float* weight, float* bias, float* y, int count, float epsilon);

    /// <summary><see cref="LayerNorm"/> of rows that follow each other. False where one is not finite.</summary>
    public abstract bool LayerNormRows(float* x, float* weight, float* bias, float* y, int count, int rows, float epsilon);

    /// <summary>x += y.</summary>
    public abstract void Add(float* x, float* y, int count);

    /// <summary>gate = silu(gate) * up, with silu(x) = x / (1 + exp(-x)).</summary>
    public abstract void SiluMultiply(float* gate, float* up, int count);

    /// <summary>x = f(x) * factors, or f(x) where <paramref name="factors"/> is null.</summary>
    public abstract void Activate(Activation activation, float* x, float* factors, int count);

    /// <summary>x = (y + 1) * x / (1 + exp(-factor * x)), with x up to the limit and y within it: gpt-oss's clamped SwiGLU.</summary>
    public abstract void ActivateClamped(float* x, float* y, float factor, float limit, int count);

    /// <summary>x = cap * tanh(x / cap): a soft cap.</summary>
    public abstract void Cap(float* x, float cap, int count);

    /// <summary>x, from -limit to limit; what is not a number stays as it is.</summary>
    public abstract void Clamp(float* x, float limit, int count);

    /// <summary>x *= factor.</summary>
    public abstract void Multiply(float* x, float factor, int count);

    /// <summary>
    /// Rotates pairs of each head by its angles: (a, b) -> (a cos - b sin, a sin + b cos). Pairs are (2i, 2i + 1), or (i, i + pairs) where
    /// <paramref name="split"/>; cosines and sines [pairs].
    /// </summary>
    public abstract void Rotate(float* x, int heads, int dimension, float* cosines, float* sines, int pairs, bool split);

    /// <summary>
    /// Puts a position's key [Dimension] and value [Dimension] into the cache. False where a number is not finite (the cache is not to be
    /// used then).
    /// </summary>
    public abstract bool Store(in KeyValueHead cache, int position, float* key, float* value);

    /// <summary>softmax(q k) v by tiles with a running maximum.</summary>
    /// <param name="scratch">At least <see cref="AttentionScratchBytes"/> of the calling thread's own memory, 64-byte aligned.</param>
    public abstract void Attend(in KeyValueHead cache, in AttentionQuery query, byte* scratch);

    /// <summary>Scratch that <see cref="Attend"/> needs a thread.</summary>
    public abstract long AttentionScratchBytes(int dimension, int tokens, int groupSize);

    /// <summary>One token's step of a convolution, channel by channel, in place: x [channels] becomes the results.</summary>
    /// <param name="before">[taps - 1][channels] earlier inputs, the oldest first; null: zeros.</param>
    /// <param name="after">The same after this token; may be <paramref name="before"/>.</param>
    public abstract void Convolve(in Convolution convolution, float* before, float* after, float* x, int firstChannel, int endChannel);

    /// <summary>y[j] = chain over i of fma(key[i], state[i, j], y[j]), for a state [keys, values].</summary>
    public abstract void Recall(float* state, float* key, float* y, int keys, int values);

    /// <summary>
    /// A state [keys, values] decays and takes up a pair: after[i, j] = fma(key[i], value[j], before[i, j] * decay); then y[j] = chain over
    /// i of fma(query[i], after[i, j], y[j]).
    /// </summary>
    /// <param name="before">null: zeros. May be <paramref name="after"/>.</param>
    public abstract void Associate(float* before, float* after, float decay, float* key, float* value, float* query,
        float* y, int keys, int values);

    /// <summary>
    /// A row of a convolution of each channel with its neighbours: y[c] = bias[c] + the sum over t of weights[t, c] * x[t * stride + c], a
    /// chain of fused multiply-adds in order of the taps.
    /// </summary>
    /// <param name="stride">Floats from one tap's input to the next tap's.</param>
    public abstract void ConvolveRow(float* x, nint stride, float* weights, float* bias, float* y, int taps, int channels);

    /// <summary>x = exp(min(x, most)).</summary>
    public abstract void Exponential(float* x, float most, int count);

    /// <summary>
    /// Cosines and sines of angles in radians, to about 1e-7 for magnitudes below 10^4; what is larger than 10^6 or not finite gives
    /// numbers without a meaning.
    /// </summary>
    public abstract void Turn(float* angles, float* cosines, float* sines, int count);

    private static List<Kernel> FindAvailable()
    {
        var kernels = new List<Kernel>();
        if (AvxVnniKernel.IsSupported) kernels.Add(new AvxVnniKernel());
        if (Avx2Kernel.IsSupported) kernels.Add(new Avx2Kernel());
        if (DotProdKernel.IsSupported) kernels.Add(new DotProdKernel());
        if (NeonKernel.IsSupported) kernels.Add(new NeonKernel());
        kernels.Add(new ScalarKernel());
        return kernels;
    }
}

/// <summary>A convolution of each channel with its own last inputs. Owns nothing.</summary>
internal unsafe struct Convolution
{
    /// <summary>[Taps][Channels]: the oldest input's first.</summary>
    public float* Weights;

    /// <summary>[Channels], or null.</summary>
    public float* Bias;

    /// <summary>Inputs that a result is made of, the token's own among them.</summary>
    public int Taps;

    public int Channels;

    /// <summary>Whether the result is silu of the sum.</summary>
    public bool HasSilu;
}
