using System.Runtime.CompilerServices;
using EdgeLlm.Kernels;
using EdgeLlm.Models.Spec;

namespace EdgeLlm.Models.Layers;

/// <summary>Puts keys and values into the cache; what is not finite ends the pass at the next norm.</summary>
/// <param name="entry">Index of the cache's entry.</param>
internal sealed unsafe class StoreStep(AttentionSpec attention, int entry, Operand keys, Operand values) : TokenStep
{
    /// <summary>Index of the cache's entry.</summary>
    public int Entry => entry;

    public Operand Keys => keys;

    public Operand Values => values;

    public override Operation Operation => Operation.RotateAndStore;

    public override IEnumerable<Operand> Inputs => [Keys, Values];

    public override bool WritesCache => true;

    protected override void RunToken(int token, int thread)
    {
        ref readonly SequencePart part = ref Pass.PartOf(token);
        int position = part.Position + token - part.First, dimension = attention.Dimension;
        float* tokenKeys = keys.Row(token), tokenValues = values.Row(token);
        for (int h = 0; h < attention.KeyValueHeads; h++)
        {
            if (!Pass.Kernel.Store(part.Cache.Head(entry, h), position, tokenKeys + h * dimension, tokenValues + h * dimension))
                Pass.NoteNotFinite();
        }
    }
}

/// <summary>softmax(queries keys') values over what the cache holds, in blocks of tokens of each key/value head.</summary>
internal sealed unsafe class AttendStep : Step
{
    private readonly Action<int, int> _attend;
    private readonly TensorUse? _sinks;
    private readonly float[]? _slopes; // [heads], pinned
    private float* _sink; // [heads], or null
    private Pass _pass = null!;

    /// <param name="entry">Index of the cache's entry.</param>
    /// <param name="sinks">[heads] scores of their own, or null.</param>
    public AttendStep(AttentionSpec attention, int entry, Operand queries, Operand to, TensorUse? sinks = null)
    {
        (Attention, Entry, Queries, To, _sinks) = (attention, entry, queries, to, sinks);
        _attend = Attend;
        if (attention.MaxAlibiBias == 0) return;
        _slopes = GC.AllocateArray<float>(attention.Heads, pinned: true);
        attention.AlibiSlopes(_slopes);
    }

    public AttentionSpec Attention { get; }

    /// <summary>Index of the cache's entry.</summary>
    public int Entry { get; }

    public Operand Queries { get; }

    public Operand To { get; }

    public override Operation Operation => Operation.Attention;

    public override IEnumerable<TensorUse> Tensors => _sinks is null ? [] : [_sinks];

    public override IEnumerable<Operand> Inputs => [Queries];

    public override IEnumerable<Operand> Outputs => [To];

    public override void Run(Pass pass)
    {
        _pass = pass;
        int blocks = 0;
        foreach (ref readonly SequencePart part in pass.Parts) blocks += BlocksOf(part);
        pass.Pool.Run(Attention.KeyValueHeads * blocks, _attend);
    }

    public override void Bind(ModelTensors tensors, int context) => _sink = _sinks is null ? null : tensors.Vector(_sinks);

    /// <summary>A query head's score of its own, which takes a share of attention; null: it has none.</summary>
    public double? SinkOf(int head) => _sink == null ? null : _sink[head];

    private static int BlocksOf(in SequencePart part) => (part.Tokens + Registers.AttentionTokens - 1) / Registers.AttentionTokens;

    private void Attend(int chunk, int thread)
    {
        int head = chunk % Attention.KeyValueHeads, block = chunk / Attention.KeyValueHeads, index = 0;
        ReadOnlySpan<SequencePart> parts = _pass.Parts;
        while (block >= BlocksOf(parts[index])) block -= BlocksOf(parts[index++]);
        ref readonly SequencePart part = ref parts[index];
        // Later blocks see more keys: begin with them, so that the threads end together.
        int first = (BlocksOf(part) - 1 - block) * Registers.AttentionTokens, token = part.First + first;
        int offset = head * Attention.GroupSize * Attention.Dimension;
        var query = new AttentionQuery
        {
            Queries = Queries.Row(token) + offset,
            Output = To.Row(token) + offset,
            Stride = Queries.Width,
            Tokens = Math.Min(Registers.AttentionTokens, part.Tokens - first),
            GroupSize = Attention.GroupSize,
            FirstPosition = part.Position + first,
            Window = Attention is { IsBidirectional: true, Window: > 0 } ? Attention.Window / 2 + 1 : Attention.Window,
            After = !Attention.IsBidirectional ? 0 : Attention.Window > 0 ? Attention.Window / 2 : int.MaxValue,
            Keys = part.Position + part.Tokens,
            Scale = Attention.Scale,
            Cap = Attention.ScoreCap,
            Sinks = _sink == null ? null : _sink + head * Attention.GroupSize,
            Slopes = _slopes is null ? null : (float*)Unsafe.AsPointer(ref _slopes[head * Attention.GroupSize]),
        };
        _pass.Kernel.Attend(part.Cache.Head(Entry, head), query, _pass.ScratchOf(thread));
    }
}
