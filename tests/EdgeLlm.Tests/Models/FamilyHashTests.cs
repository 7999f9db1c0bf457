using System.Runtime.InteropServices;
using System.Security.Cryptography;
using EdgeLlm.Gguf;
using EdgeLlm.Kernels;
using EdgeLlm.Kernels.Formats;
using EdgeLlm.Models;
using EdgeLlm.Quantization;
using EdgeLlm.Quantization.Import;

namespace EdgeLlm.Tests.Models;

/// <summary>
/// The third promise across machines, for each family: one process writes a folder of tiny models, as they are and packed, and hashes of
/// what it computes of them; the same test in a process on another processor computes them again. tools/test-arm64 has this machine write
/// and emulated Raspberry Pis compare.
/// </summary>
public sealed class FamilyHashTests
{
    private const string Variable = "EDGELLM_FAMILY_HASHES";
    private static readonly int[] Ids = [.. Enumerable.Range(0, 40).Select(i => 3 + i * 37 % 490)];

    [Fact]
    public void Every_family_has_the_bits_of_the_machine_that_wrote_the_hashes()
    {
        string? folder = Environment.GetEnvironmentVariable(Variable);
        Assert.SkipWhen(folder is null, $"{Variable} names no folder");
        string list = Path.Combine(folder, "hashes");
        if (!File.Exists(list))
        {
            string[] names = [.. GoldenLogitsTests.Decoders, .. GoldenEncoderTests.Encoders.Select(name => name.Data)];
            foreach (string name in names) Write(SharedFolder.Require("golden", "logits", name), Path.Combine(folder, name));
            File.WriteAllLines(list, names.SelectMany(name => new[] { $"{name}.gguf", $"{name}.packed.gguf", $"{name}.rotated.gguf" })
                .Select(file => $"{file} {Hash(Path.Combine(folder, file))}"));
            return;
        }
        string[] lines = File.ReadAllLines(list);
        Assert.True(lines.Length >= 90, $"{lines.Length} hashes");
        // By this processor's best kernel: that its others agree with it, KernelTests show.
        Assert.Equal(lines,
            lines.Select(line => line.Split(' ')[0])
                .Select(file => $"{file} {HashBy(Kernel.Available[0].Name, Path.Combine(folder, file))}"));
    }

    [Theory]
    [InlineData("gemma3")]
    [InlineData("qwen3-5")]
    [InlineData("bert-classifier")]
    public void The_hash_is_of_what_a_model_computes(string name)
    {
        Assert.SkipWhen(Environment.GetEnvironmentVariable(Variable) is not null, "hashes are compared");
        using var folder = new TestFolder();
        Write(SharedFolder.Require("golden", "logits", name), folder.PathOf("model"));
        string whole = Hash(folder.PathOf("model.gguf")), packed = Hash(folder.PathOf("model.packed.gguf"));
        Assert.NotEqual(whole, packed);
        Assert.NotEqual(packed, Hash(folder.PathOf("model.rotated.gguf")));
        Assert.Equal(whole, Hash(folder.PathOf("model.gguf")));
    }

    /// <summary>A checkpoint as a file, packed, and packed in the forms of version 2.</summary>
    private static void Write(string checkpoint, string path)
    {
        using (var model = HuggingFaceModel.Open(checkpoint)) model.Save(path + ".gguf", _ => { }, CancellationToken.None);
        using GgufFile file = GgufFile.Open(path + ".gguf");
        new FastQuantizer(new QuantizationPlan(file, Packing.E4Group32, Packing.E8Group32))
            .Save(path + ".packed.gguf", (_, _) => { }, CancellationToken.None);
        Packing body = path.Length % 2 == 0 ? Packing.E5Group32 : Packing.E3Group32;
        new FastQuantizer(new QuantizationPlan(file, body, Packing.E5Group32) { Rotates = true })
            .Save(path + ".rotated.gguf", (_, _) => { }, CancellationToken.None);
    }

    /// <summary>
    /// Of the last logits after chunks of 7 tokens, of a batch of three, and after a cache was saved and loaded; each kernel has to give
    /// the same.
    /// </summary>
    private static string Hash(string path)
    {
        string[] hashes = [.. Kernel.Available.Select(kernel => HashBy(kernel.Name, path)).Distinct()];
        return hashes.Length == 1 ? hashes[0] : throw new InvalidOperationException($"{path}: kernels do not agree");
    }

    private static string HashBy(string kernel, string path)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        using LanguageModel model = LanguageModel.Open(path,
            new ModelOptions { Kernel = kernel, Threads = 2, ContextLength = 48, PrefillChunk = 7 }, encoders: true);
        if (model.IsEncoder) AddEncoder(model, hash);
        else AddDecoder(model, hash);
        return Convert.ToHexString(hash.GetHashAndReset());
    }

    private static void AddEncoder(LanguageModel model, IncrementalHash hash)
    {
        using TextEncoder encoder = TextEncoder.Of(model);
        encoder.Encode([new EncoderText(Ids), new EncoderText(Ids[..5]), new EncoderText(Ids[..1])], (_, hidden, logits) =>
        {
            hash.AppendData(MemoryMarshal.AsBytes(hidden));
            hash.AppendData(MemoryMarshal.AsBytes(logits));
            hash.AppendData(MemoryMarshal.AsBytes<float>(encoder.PooledOf(hidden)));
        });
    }

    private static void AddDecoder(LanguageModel model, IncrementalHash hash)
    {
        using KvCache first = model.CreateCache(), second = model.CreateCache(), loaded = model.CreateCache();
        Add(model.Forward(Ids.AsSpan(0, 30), first));
        Add(model.Forward(Ids.AsSpan(0, 3), second));
        using var stream = new MemoryStream();
        first.Save(stream);
        stream.Position = 0;
        loaded.Load(stream);
        model.ForwardBatch([Ids[30], Ids[3], Ids[31]], [first, second, loaded]);
        foreach (KvCache cache in new[] { first, second, loaded }) Add(model.LogitsOf(cache));
        Add(model.Forward(Ids.AsSpan(32), loaded));

        void Add(ReadOnlySpan<float> logits) => hash.AppendData(MemoryMarshal.AsBytes(logits));
    }
}
