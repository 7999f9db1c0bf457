using EdgeLlm.Kernels;

namespace EdgeLlm.Models.Layers;

/// <summary>
/// A buffer that steps read and write, one row a token. It is as wide as its widest use; steps of different layers use it one after the
/// other.
/// </summary>
internal sealed unsafe class Register
{
    /// <summary>Most numbers of a row.</summary>
    public int Width { get; set; }

    /// <summary>Where its rows begin; set when a model is opened, or a pass begins.</summary>
    public float* Start { get; set; }
}

/// <summary>A register as a step uses it: [tokens, Width], rows side by side.</summary>
internal readonly unsafe struct Operand(Register register, int width)
{
    public Register Register { get; } = register;

    /// <summary>Numbers of a row.</summary>
    public int Width { get; } = width;

    public float* Start => Register.Start;

    public float* Row(int token) => Register.Start + (nint)token * Width;
}

/// <summary>
/// The memory that steps compute in, as wide as they ask for. What <see cref="ByteCount"/> counts is what <see cref="Allocate"/> takes.
/// </summary>
internal sealed unsafe class Registers : IDisposable
{
    /// <summary>Most tokens of one call to <see cref="Kernel.Attend"/>.</summary>
    public const int AttentionTokens = 32;

    private readonly Dictionary<string, Register> _registers = [];
    private readonly List<(int Dimension, int GroupSize)> _attentions = [];
    private readonly List<(int Columns, int Rows)> _rows = []; // inputs of products that have several rows a token
    private int _columns;
    private long _scratch;
    private AlignedBuffer? _memory;

    /// <summary>The widest row of a register or product: tokens times this fits an int.</summary>
    public int Widest => Math.Max(_columns, _registers.Values.Max(register => register.Width));

    /// <summary>A <see cref="QuantizedActivations"/>, for the inputs of one product.</summary>
    public byte* Quantized { get; private set; }

    /// <summary>A <see cref="PackedActivations"/>, for the inputs of one product.</summary>
    public byte* Packed { get; private set; }

    /// <summary>Bytes of <see cref="Scratch"/> that each thread has.</summary>
    public long ScratchStride { get; private set; }

    /// <summary>Scratch for kernels: [threads][ScratchStride].</summary>
    public byte* Scratch { get; private set; }

    /// <summary>Bytes allocated.</summary>
    public long AllocatedBytes => _memory?.Bytes ?? 0;

    /// <summary>Asks for a register of this name with rows of at least this width.</summary>
    public Operand Use(string name, int width)
    {
        if (!_registers.TryGetValue(name, out Register? register)) _registers.Add(name, register = new Register());
        register.Width = Math.Max(register.Width, width);
        return new Operand(register, width);
    }

    /// <summary>Asks for room to quantize the inputs of a product.</summary>
    public void UseProduct(int columns) => _columns = Math.Max(_columns, columns);

    /// <summary>Asks for room to quantize a given number of rows a token, each by itself.</summary>
    public void UseRows(int columns, int rows)
    {
        UseProduct(columns);
        _rows.Add((columns, rows));
    }

    /// <summary>Asks for a given number of bytes of each thread's scratch.</summary>
    public void UseScratch(long bytes) => _scratch = Math.Max(_scratch, bytes);

    /// <summary>Asks for scratch to attend in.</summary>
    public void UseAttention(int dimension, int groupSize) => _attentions.Add((dimension, groupSize));

    /// <summary>Bytes for passes of up to this many tokens on this many threads.</summary>
    public long ByteCount(Kernel kernel, int tokens, int threads) =>
        checked(_registers.Values.Sum(register => RowBytes(register, tokens)) + QuantizedBytes(tokens) + PackedBytes(tokens)
            + threads * ScratchBytes(kernel, tokens));

    public void Allocate(Kernel kernel, int tokens, int threads)
    {
        _memory = new AlignedBuffer(ByteCount(kernel, tokens, threads));
        byte* next = _memory.Start;
        foreach (Register register in _registers.Values)
        {
            register.Start = (float*)next;
            next += RowBytes(register, tokens);
        }
        Quantized = next;
        Packed = Quantized + QuantizedBytes(tokens);
        Scratch = Packed + PackedBytes(tokens);
        ScratchStride = ScratchBytes(kernel, tokens);
    }

    public void Dispose() => _memory?.Dispose();

    private static long RowBytes(Register register, int tokens) => Align(4L * tokens * register.Width);

    private long QuantizedBytes(int tokens) => BytesOf(tokens, QuantizedActivations.ByteCount);

    private long PackedBytes(int tokens) => BytesOf(tokens, PackedActivations.ByteCount);

    private long BytesOf(int tokens, Func<int, int, long> count) =>
        Align(_rows.Select(rows => (long)tokens * rows.Rows * count(1, WholeBlocks(rows.Columns)))
            .Append(count(tokens, WholeBlocks(_columns))).Max());

    /// <summary>Scratch of one thread.</summary>
    private long ScratchBytes(Kernel kernel, int tokens)
    {
        long bytes = Math.Max(_scratch, kernel.ScratchBytes(_columns));
        foreach ((int dimension, int groupSize) in _attentions)
            bytes = Math.Max(bytes, kernel.AttentionScratchBytes(dimension, Math.Min(tokens, AttentionTokens), groupSize));
        return Align(bytes);
    }

    private static int WholeBlocks(int columns) =>
        (columns + QuantizedActivations.BlockColumns - 1) / QuantizedActivations.BlockColumns * QuantizedActivations.BlockColumns;

    private static long Align(long bytes) => (bytes + 63) & ~63L;
}
