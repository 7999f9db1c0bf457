using System.Runtime.InteropServices;
using EdgeLlm.Gguf;
using EdgeLlm.Kernels.Formats;

namespace EdgeLlm.Tests.Gguf;

/// <summary>
/// Damaged files, the same ones in every run: each opens, and then everything in it can be read and copied, or is refused
/// with a <see cref="GgufException"/>. No other exception, and no more memory than the file has bytes.
/// </summary>
public sealed class GgufFuzzTests : IDisposable
{
    private const int Mutants = 8_000; // of each of three files

    // What an opening takes however small the file: objects, tables that grow, an exception.
    private const int FixedAllocation = 48 * 1024;

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_written_file() => Fuzz(GgufSample.Writer().ToArray(), seed: 1);

    [Fact]
    public void A_tiny_checkpoint() => Fuzz(File.ReadAllBytes(SharedFolder.Require("golden", "logits", "llama", "model.gguf")), seed: 2);

    [Fact]
    public void A_small_model() => Fuzz(File.ReadAllBytes(SharedFolder.Require("models", "stories260K.f32.gguf")), seed: 3);

    [Fact]
    public void A_file_of_nothing_but_entries_costs_some_megabytes()
    {
        var writer = new GgufWriter();
        for (int number = 0; number < 16_384; number++) writer.Set($"{number:x}", GgufValue.Of((byte)1));
        for (int number = 0; number < 65_536; number++) writer.SetTensor($"{number:x}", [1], ElementType.I8, output => output.WriteByte(1));
        string path = _folder.Write("entries.gguf", writer.ToArray());
        long before = GC.GetAllocatedBytesForCurrentThread();
        using GgufFile file = GgufFile.Open(path);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 16 << 20);
        Assert.Equal(65_536, file.Tensors.Count);
    }

    private void Fuzz(byte[] original, int seed)
    {
        string path = _folder.PathOf("mutant.gguf");
        var mutant = new GgufMutant(path, original);
        int opened = 0;
        for (int number = 0; number < Mutants; number++)
        {
            mutant.Damage(new Random(seed * 1_000_000 + number));
            try
            {
                if (Survives(path, mutant)) opened++;
            }
            catch (Exception failure) when (failure is not GgufException)
            {
                Assert.Fail($"mutant {number} of seed {seed}: {failure}");
            }
            mutant.Mend();
        }
        Assert.InRange(opened, Mutants / 50, Mutants - Mutants / 50); // both ways are taken
    }

    private static bool Survives(string path, GgufMutant mutant)
    {
        GgufFile? file = null;
        long before = GC.GetAllocatedBytesForCurrentThread();
        try
        {
            file = GgufFile.Open(path);
        }
        catch (GgufException error)
        {
            Assert.StartsWith($"{path}: ", error.Message);
            Assert.Contains($" ({error.Field}", error.Message);
            // A split of a model that has no others is the one error without a place.
            Assert.True(error.Offset is null ? error.Field.StartsWith("key 'split.", StringComparison.Ordinal)
                : error.Offset <= mutant.Bytes.Length, error.Message);
        }
        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        Assert.InRange(allocated, 0, mutant.Bytes.Length + FixedAllocation);
        if (file is null) return false;
        using (file)
        {
            ReadEverything(file);
            using var same = new ExpectingStream(mutant.Bytes.ToArray());
            GgufWriter.CopyOf(file).Write(same);
            Assert.Equal(mutant.Bytes.Length, same.Position);
        }
        return true;
    }

    private static void ReadEverything(GgufFile file)
    {
        foreach ((string key, GgufValue value) in file.Metadata)
        {
            Assert.NotNull(value.ToString());
            if (value.TryGetStringArray(out GgufStringArray? strings))
            {
                foreach (string text in strings) Assert.NotNull(text);
            }
            else if (value.Type == GgufValueType.Array) Assert.Equal(value.Count, file.Metadata.GetArray<double>(key).Length);
        }
        foreach (GgufTensor tensor in file.Tensors)
        {
            Assert.Same(tensor, file.FindTensor(tensor.Name));
            Assert.InRange(tensor.Offset + tensor.ByteCount, tensor.ByteCount, file.FileSize);
            nint address = file.Pointer(tensor);
            Assert.Equal(Marshal.ReadByte(address), file.Bytes(tensor, 0, 1)[0]);
            Assert.Equal(Marshal.ReadByte(address + (nint)tensor.ByteCount - 1), file.Bytes(tensor, tensor.ByteCount - 1, 1)[0]);
        }
    }
}
