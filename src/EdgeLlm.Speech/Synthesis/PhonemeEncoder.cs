using EdgeLlm.Kernels;
using EdgeLlm.Models;

namespace EdgeLlm.Speech.Synthesis;

/// <summary>Phonemes of a sentence -> a row for each, which knows of all others.</summary>
internal sealed unsafe class PhonemeEncoder : IDisposable
{
    private const int Heads = 2;
    private const int ChunkRows = VoiceMachine.MostRows;

    private readonly VoiceMachine _machine;
    private readonly EncoderWeights _weights;
    private readonly BlockStage[] _blocks;
    private readonly AlignedBuffer _output;     // [most phonemes][width]
    private readonly AlignedBuffer _projected;  // [most phonemes][3 width]: queries, keys (then what attention gives), values
    private readonly AlignedBuffer _keys, _values; // of both heads

    public PhonemeEncoder(VoiceMachine machine, EncoderWeights weights, int mostPhonemes)
    {
        (_machine, _weights) = (machine, weights);
        _blocks = [.. weights.Blocks.Select(block => new BlockStage(machine, block, ChunkRows))];
        int tiles = (mostPhonemes + KeyValueHead.TilePositions - 1) / KeyValueHead.TilePositions;
        long row = weights.Width * sizeof(float), cache = tiles * KeyValueHead.TilePositions * row;
        (_output, _projected) = (new AlignedBuffer(mostPhonemes * row), new AlignedBuffer(3 * mostPhonemes * row));
        (_keys, _values) = (new AlignedBuffer(cache), new AlignedBuffer(cache));
    }

    public int Width => _weights.Width;

    /// <summary>The rows of the last sentence [phonemes][Width].</summary>
    public float* Output => (float*)_output.Start;

    /// <summary>Computes a sentence.</summary>
    /// <exception cref="NotFiniteException">The weights are damaged.</exception>
    public void Run(ReadOnlySpan<int> ids)
    {
        int width = Width, count = ids.Length;
        float* x = Output;
        for (int i = 0; i < count; i++)
            new ReadOnlySpan<float>(_weights.Embedding + (nint)ids[i] * width, width).CopyTo(new Span<float>(x + (nint)i * width, width));
        foreach (BlockStage block in _blocks) RunBlock(block, count);
        for (int i = 0; i < _weights.Repeats; i++)
        {
            Attend(count);
            ForEachChunk(count, FeedForward);
        }
        _machine.Normalize(_weights.Norm, x, x, width, count);
    }

    public void Dispose()
    {
        foreach (BlockStage block in _blocks) block.Dispose();
        foreach (AlignedBuffer buffer in (ReadOnlySpan<AlignedBuffer>)[_output, _projected, _keys, _values]) buffer.Dispose();
    }

    /// <summary>In place: results never overtake the rows that are still to come.</summary>
    private void RunBlock(BlockStage block, int count)
    {
        block.Begin();
        int done = 0;
        for (int first = 0; first < count; first += ChunkRows)
        {
            int rows = Math.Min(ChunkRows, count - first);
            int results = block.Push(Output + (nint)first * Width, rows, first + rows == count);
            new ReadOnlySpan<float>(block.Output, results * Width).CopyTo(new Span<float>(Output + (nint)done * Width, results * Width));
            done += results;
        }
    }

    private void Attend(int count)
    {
        int width = Width, dimension = width / Heads;
        nint stride = 3 * width;
        float* projected = (float*)_projected.Start;
        ForEachChunk(count, Project);
        int tiles = (count + KeyValueHead.TilePositions - 1) / KeyValueHead.TilePositions;
        for (int h = 0; h < Heads; h++)
        {
            long start = (long)h * tiles * KeyValueHead.TilePositions * dimension * sizeof(float);
            var head = new KeyValueHead(KeyValueType.F32, dimension, _keys.Start + start, _values.Start + start, null, null, tiles);
            for (int t = 0; t < count; t++)
            {
                float* row = projected + t * stride + h * dimension;
                if (!_machine.Kernel.Store(head, t, row + width, row + 2 * width))
                    throw new NotFiniteException("a key or value of the voice is infinite or not a number: its weights are damaged");
            }
            for (int first = 0; first < count; first += ChunkRows)
            {
                // Keys are in their cache: what attention gives takes their place.
                float* queries = projected + first * stride + h * dimension;
                var query = new AttentionQuery
                {
                    Queries = queries,
                    Output = queries + width,
                    Stride = stride,
                    Tokens = Math.Min(ChunkRows, count - first),
                    GroupSize = 1,
                    FirstPosition = first,
                    After = count,
                    Keys = count,
                    Scale = 1f / MathF.Sqrt(dimension),
                };
                _machine.Kernel.Attend(head, query, _machine.Scratch);
            }
        }
        ForEachChunk(count, AddAttention);
    }

    private void Project(int first, int rows)
    {
        NormalizeRows(_weights.AttentionNorm, first, rows);
        _machine.Multiply(_weights.QueriesKeysValues, _machine.Normed, Width, rows,
            (float*)_projected.Start + (nint)first * 3 * Width);
    }

    private void AddAttention(int first, int rows)
    {
        _machine.Multiply(_weights.AttentionOutput, (float*)_projected.Start + (nint)first * 3 * Width + Width, 3 * Width,
            rows, _machine.Normed);
        _machine.Kernel.Add(Output + (nint)first * Width, _machine.Normed, rows * Width);
    }

    private void FeedForward(int first, int rows)
    {
        NormalizeRows(_weights.FeedForwardNorm, first, rows);
        float* hidden = _machine.Hidden;
        _machine.Multiply(_weights.Up, _machine.Normed, Width, rows, hidden);
        _machine.Kernel.Activate(Activation.Gelu, hidden, null, rows * _weights.Up.Rows);
        _machine.Multiply(_weights.Down, hidden, _weights.Up.Rows, rows, _machine.Normed);
        _machine.Kernel.Add(Output + (nint)first * Width, _machine.Normed, rows * Width);
    }

    private void NormalizeRows(in LayerNorm norm, int first, int rows) =>
        _machine.Normalize(norm, Output + (nint)first * Width, _machine.Normed, Width, rows);

    private static void ForEachChunk(int count, Action<int, int> operation)
    {
        for (int first = 0; first < count; first += ChunkRows) operation(first, Math.Min(ChunkRows, count - first));
    }
}
