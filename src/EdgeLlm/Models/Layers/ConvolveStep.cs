using EdgeLlm.Kernels;
using EdgeLlm.Models.Spec;

namespace EdgeLlm.Models.Layers;

/// <summary>
/// A step of a recurrence: each of its parts (some channels, or a head) goes through the tokens of a sequence in their order, the parts
/// over the threads, so that the bits are the same whatever the chunk.
/// </summary>
internal abstract unsafe class RecurrentStep : Step
{
    private readonly Action<int, int> _run;
    private readonly int _parts;

    /// <param name="entry">Index of the cache's entry, which has the state.</param>
    protected RecurrentStep(int entry, int parts) => (Entry, _parts, _run) = (entry, parts, RunChunk);

    public override bool WritesCache => true;

    public override Operation Operation => Operation.Recurrence;

    /// <summary>Index of the cache's entry, which has the state.</summary>
    public int Entry { get; }

    /// <summary>The pass at hand.</summary>
    protected Pass Pass { get; private set; } = null!;

    /// <inheritdoc/>
    public override void Run(Pass pass)
    {
        Pass = pass;
        pass.Pool.Run(_parts * pass.Parts.Length, _run);
    }

    /// <summary>Computes a part for all tokens of a sequence.</summary>
    /// <param name="before">The state before the first token; null: zeros.</param>
    /// <param name="after">Where the state after the last token goes.</param>
    protected abstract void RunPart(int part, in SequencePart tokens, float* before, float* after, int thread);

    private void RunChunk(int chunk, int thread)
    {
        ref readonly SequencePart tokens = ref Pass.Parts[chunk / _parts];
        (nint before, nint after) = tokens.Cache.State(Entry);
        RunPart(chunk % _parts, tokens, (float*)before, (float*)after, thread);
    }
}

/// <summary>A convolution of each channel with its last inputs, in place.</summary>
internal sealed unsafe class ConvolveStep(int taps, bool hasSilu, TensorUse weights, TensorUse? bias, int entry, Operand channels)
    : RecurrentStep(entry, (channels.Width + PartChannels - 1) / PartChannels)
{
    private const int PartChannels = 256;

    private float[] _weights = []; // [taps][channels], pinned: a file has the taps of a channel side by side
    private Convolution _convolution;

    public override IEnumerable<TensorUse> Tensors => bias is null ? [weights] : [weights, bias];

    public override IEnumerable<Operand> Inputs => [channels];

    public override IEnumerable<Operand> Outputs => [channels];

    /// <summary>Numbers of its state.</summary>
    public static StateSpec StateOf(int taps, int channels) => new(checked((taps - 1) * channels));

    public override void Bind(ModelTensors tensors, int context)
    {
        WeightMatrix matrix = tensors.Matrix(weights);
        _weights = GC.AllocateUninitializedArray<float>(checked(taps * channels.Width), pinned: true);
        float* row = stackalloc float[taps];
        for (int c = 0; c < channels.Width; c++)
        {
            matrix.RowToFloat(c, row);
            for (int tap = 0; tap < taps; tap++) _weights[tap * channels.Width + c] = row[tap];
        }
        _convolution = new Convolution
        {
            Weights = (float*)System.Runtime.InteropServices.Marshal.UnsafeAddrOfPinnedArrayElement(_weights, 0),
            Bias = bias is null ? null : tensors.Vector(bias),
            Taps = taps,
            Channels = channels.Width,
            HasSilu = hasSilu,
        };
    }

    protected override void RunPart(int part, in SequencePart tokens, float* before, float* after, int thread)
    {
        int first = part * PartChannels, end = Math.Min(first + PartChannels, channels.Width);
        for (int t = 0; t < tokens.Tokens; t++)
            Pass.Kernel.Convolve(_convolution, t == 0 ? before : after, after, channels.Row(tokens.First + t), first, end);
    }
}
