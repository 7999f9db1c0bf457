using System.Buffers.Binary;
using System.Text;
using EdgeLlm.Gguf;
using EdgeLlm.Models;
using EdgeLlm.Models.Layers;
using EdgeLlm.Quantization.Import;
using EdgeLlm.Tokenization;

namespace EdgeLlm.Tests.Quantization.Import;

/// <summary>
/// Damaged folders, the same ones in every run: each is refused with a <see cref="ModelException"/>, or becomes a file that can be used.
/// </summary>
public sealed class FolderFuzzTests : IDisposable
{
    private const int Mutants = 400; // of each file

    // What an opening takes however small the folder: tables, JSON documents, the tokenizer.
    private const long MostAllocation = 64 << 20;

    private static readonly string[] Interesting =
    [
        "0", "-1", "1", "2", "3", "64", "255", "1e9", "2147483647", "2147483648", "4294967296", "9223372036854775807",
        "9223372036854775808", "1e308", "-0.0", "null", "true",
        "[]", "{}", "\"\"", "\"\\u0000\"", "\"\\ud800\"", "[[[[[]]]]]",
    ];

    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("llama3-rope", "config.json")]
    [InlineData("llama3-rope", "model.safetensors")]
    [InlineData("llama3-rope", "tokenizer.json")]
    [InlineData("llama3-rope", "tokenizer_config.json")]
    [InlineData("llama", "model.safetensors.index.json")]
    [InlineData("llama", "model-00002-of-00002.safetensors")]
    [InlineData("llama", "tokenizer.model")]
    public void A_damaged_file_is_refused_or_used(string golden, string file)
    {
        string folder = _folder.CopyOf(golden), path = Path.Combine(folder, file);
        byte[] original = File.ReadAllBytes(path);
        int used = 0;
        for (int number = 0; number < Mutants; number++)
        {
            File.WriteAllBytes(path, Damaged(original, new Random(number), isBinary: !file.EndsWith(".json", StringComparison.Ordinal)));
            long before = GC.GetAllocatedBytesForCurrentThread();
            try
            {
                Use(folder);
                used++;
            }
            catch (Exception failure) when (failure is not ModelException)
            {
                Assert.Fail($"mutant {number} of {file}: {failure}");
            }
            catch (ModelException refusal)
            {
                Assert.DoesNotContain(refusal.Message, letter => char.IsControl(letter));
                Assert.Equal([folder], Directory.GetFileSystemEntries(_folder.Root));
            }
            Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, MostAllocation);
        }
        Assert.InRange(used, 1, Mutants - 1); // the damage is neither nothing nor all
    }

    private void Use(string folder)
    {
        string target = _folder.PathOf("target.gguf");
        using (var model = HuggingFaceModel.Open(folder)) model.Save(target, _ => { }, CancellationToken.None);
        using (GgufFile file = GgufFile.Open(target))
        {
            ModelLoader.Bind(LayerBuilder.Build(ModelLoader.ReadSpec(file)), file, 64);
            Tokenizer.Create(ModelLoader.ReadTokenizer(file))
                .Encode("Once upon a time, 1234 <|eot_id|> \u0301", parseSpecial: true, addSpecial: true);
        }
        File.Delete(target);
    }

    private static byte[] Damaged(byte[] original, Random random, bool isBinary)
    {
        byte[] bytes = [.. original];
        int head = isBinary ? Math.Min(bytes.Length, 3000) : bytes.Length;
        switch (random.Next(isBinary ? 4 : 6))
        {
            case 0:
                for (int count = random.Next(1, 4); count > 0; count--) bytes[random.Next(head)] ^= (byte)(1 << random.Next(8));
                return bytes;
            case 1:
                return bytes[..random.Next(bytes.Length)];
            case 2:
                bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
                return bytes;
            case 3 when isBinary:
                BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(random.Next(head - 8)), (ulong)random.NextInt64() >> random.Next(64));
                return bytes;
            case 3:
                int start = random.Next(bytes.Length), length = random.Next(Math.Min(40, bytes.Length - start));
                return [.. bytes[..start], .. bytes[(start + length)..]];
            default:
                return ReplacedValue(bytes, random);
        }
    }

    /// <summary>A value of JSON, from a colon, comma or bracket to the next, becomes another.</summary>
    private static byte[] ReplacedValue(byte[] bytes, Random random)
    {
        int start = Array.FindIndex(bytes, random.Next(bytes.Length), letter => letter is (byte)':' or (byte)'[');
        if (start < 0) return bytes[..^1];
        int end = Array.FindIndex(bytes, start + 1, letter => letter is (byte)',' or (byte)']' or (byte)'}');
        return [.. bytes[..(start + 1)], .. Encoding.UTF8.GetBytes(Interesting[random.Next(Interesting.Length)]),
            .. bytes[(end < 0 ? bytes.Length : end)..]];
    }
}
