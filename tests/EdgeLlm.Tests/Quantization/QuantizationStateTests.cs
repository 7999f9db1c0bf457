using EdgeLlm.Gguf;
using EdgeLlm.Kernels.Formats;
using EdgeLlm.Quantization;
using EdgeLlm.Quantization.Rounding;

namespace EdgeLlm.Tests.Quantization;

/// <summary>Finished layers in the file beside an output.</summary>
public sealed class QuantizationStateTests : IDisposable
{
    private static readonly byte[] Identity = [.. Enumerable.Range(0, 32).Select(i => (byte)i)];

    private static readonly Dictionary<string, float[]> Norms = new() { ["one.weight"] = [1, 2, 3], ["another.weight"] = [4, 5] };

    private readonly string _path = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());

    public void Dispose() => File.Delete(_path);

    [Fact]
    public void Layers_come_back_with_norms_and_matrices()
    {
        using (var state = QuantizationState.Open(_path, Identity))
        {
            state.Append(Layer(1, Norms));
            state.Append(Layer(2, null));
        }
        using var again = QuantizationState.Open(_path, Identity);
        Assert.Equal(Norms, again.Layers[0].Norms);
        Assert.Null(again.Layers[1].Norms);
        for (int layer = 0; layer < 2; layer++)
        {
            PackedMatrix matrix = Assert.Single(again.Layers[layer].Matrices);
            var written = new MemoryStream();
            matrix.Write(written);
            Assert.Equal(Data(layer + 1, matrix.Tensor.ByteCount), written.ToArray());
        }
    }

    [Fact]
    public void Any_byte_that_is_another_or_missing_ends_what_is_read()
    {
        using (var state = QuantizationState.Open(_path, Identity))
        {
            state.Append(Layer(1, Norms));
        }
        byte[] whole = File.ReadAllBytes(_path);
        for (int i = 40; i < whole.Length; i++)
        {
            File.WriteAllBytes(_path, [.. whole[..i], (byte)(whole[i] ^ 0x81), .. whole[(i + 1)..]]);
            using (var damaged = QuantizationState.Open(_path, Identity)) Assert.Empty(damaged.Layers);
            File.WriteAllBytes(_path, whole[..i]);
            using var cut = QuantizationState.Open(_path, Identity);
            Assert.Empty(cut.Layers);
        }
    }

    private static QuantizedLayer Layer(int seed, Dictionary<string, float[]>? norms)
    {
        var tensor = new PackedTensor($"matrix {seed}", Packing.E4Group32, 8, 32,
            PackedTensor.CodebookOf([-63, -50, -40, -30, -20, -10, -5, 0, 3, 8, 15, 22, 30, 40, 50, 63]))
        {
            IsRotated = seed % 2 == 1,
        };
        return new QuantizedLayer([new PackedMatrix(tensor, Data(seed, tensor.ByteCount))], norms);
    }

    private static byte[] Data(int seed, long count)
    {
        byte[] data = new byte[count];
        new Random(seed).NextBytes(data);
        // scales: numbers that a factor of 1 leaves alone
        for (int row = 0; row < 8; row++) BitConverter.TryWriteBytes(data.AsSpan(4 * row), 0.5f + row);
        return data;
    }
}
