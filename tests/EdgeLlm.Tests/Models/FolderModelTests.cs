using System.Text;
using System.Text.Json.Nodes;
using EdgeLlm.Gguf;
using EdgeLlm.Kernels.Formats;
using EdgeLlm.Models;
using EdgeLlm.Quantization.Import;
using EdgeLlm.Tests.Quantization.Import;

namespace EdgeLlm.Tests.Models;

/// <summary>Hugging Face folders that are opened as they are: matrices mapped, at any byte, vectors converted.</summary>
public sealed class FolderModelTests : IDisposable
{
    private static readonly int[] Prompt = [1, 5, 300, 17, 44, 9];

    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Matrices_are_used_where_they_are_in_the_file_and_only_vectors_are_converted()
    {
        string folder = _folder.CopyOf("llama3-rope");
        using GgufFile file = ModelFile.Open(folder);
        var weights = new TestSafetensors(Path.Combine(folder, "model.safetensors"));
        GgufTensor value = file.FindTensor("blk.1.attn_v.weight")!, norm = file.FindTensor("output_norm.weight")!;
        Assert.Equal((ElementType.BF16, ElementType.F32), (value.Type, norm.Type));
        int start = weights.StartOf("model.layers.1.self_attn.v_proj.weight");
        Assert.Equal(value.Offset, file.FileSize - weights.Data.Length + start);
        Assert.Equal(file.Maps[0].Address(value.Offset, 1), file.Pointer(value));
        GgufTensor[] converted = [.. file.Tensors.Where(tensor => tensor.Converted is not null)];
        Assert.All(converted, tensor => Assert.Equal(1, tensor.Rows));
        Assert.Equal(converted.Sum(tensor => tensor.ByteCount), file.ConvertedBytes);
        Assert.Equal(new FileInfo(Path.Combine(folder, "model.safetensors")).Length, file.FileSize);
    }

    [Theory]
    [InlineData("F32")]
    [InlineData("F16")]
    [InlineData("BF16")]
    public void Tensors_may_begin_at_any_byte(string kind)
    {
        string folder = _folder.CopyOf("llama3-rope"), path = Path.Combine(folder, "model.safetensors");
        var weights = new TestSafetensors(path);
        Convert(weights, kind);
        float[]? expected = null;
        for (int spaces = 0; spaces < 4; spaces++)
        {
            byte[] header = Encoding.UTF8.GetBytes(weights.Header.ToJsonString());
            TestSafetensors.Write(path, [.. header, .. Enumerable.Repeat((byte)' ', spaces)], weights.Data);
            float[] logits = Logits(folder);
            expected ??= logits;
            Assert.Equal(expected, logits);
        }
    }

    [Fact]
    public void A_folder_of_torch_files_gives_the_bits_of_its_safetensors()
    {
        string folder = _folder.CopyOf("mistral-window"), path = Path.Combine(folder, "model.safetensors");
        float[] expected = Logits(folder);
        var weights = new TestSafetensors(path);
        TorchEntry[] entries = [.. weights.Header.Where(entry => entry.Key != "__metadata__").Select(entry => new TorchEntry(entry.Key,
            entry.Value!["dtype"]!.GetValue<string>() == "BF16" ? "BFloat16Storage" : "FloatStorage",
            [.. entry.Value["shape"]!.AsArray().Select(size => size!.GetValue<long>())],
            weights.Data[entry.Value["data_offsets"]![0]!.GetValue<int>()..entry.Value["data_offsets"]![1]!.GetValue<int>()]))];
        File.Delete(path);
        File.WriteAllBytes(Path.Combine(folder, "pytorch_model.bin"), TorchFile.Write(entries));
        Assert.Equal(expected, Logits(folder));

        string imported = _folder.PathOf("imported.gguf");
        using (var model = HuggingFaceModel.Open(folder)) model.Save(imported, _ => { }, CancellationToken.None);
        using GgufFile file = GgufFile.Open(imported);
        Assert.Equal(weights.Data.AsSpan(weights.StartOf("model.layers.0.mlp.up_proj.weight"), 100),
            file.Bytes(file.FindTensor("blk.0.ffn_up.weight")!, 0, 100));
    }

    [Fact]
    public void Its_identity_is_that_of_weights_and_settings_and_not_of_its_place()
    {
        string folder = _folder.CopyOf("llama"), moved = _folder.PathOf("moved");
        byte[] before = IdentityOf(folder);
        Directory.Move(folder, moved);
        Assert.Equal(before, IdentityOf(moved));
        TestFolder.EditJson(Path.Combine(moved, "config.json"), config => config["rms_norm_eps"] = 0.01);
        byte[] otherSettings = IdentityOf(moved);
        Assert.NotEqual(before, otherSettings);
        string shard = Path.Combine(moved, "model-00002-of-00002.safetensors");
        byte[] bytes = File.ReadAllBytes(shard);
        bytes[^1] ^= 1;
        File.WriteAllBytes(shard, bytes);
        Assert.NotEqual(otherSettings, IdentityOf(moved));
    }

    [Fact]
    public void The_plan_counts_what_is_mapped_and_what_is_converted()
    {
        string folder = _folder.CopyOf("llama3-rope"), imported = _folder.PathOf("imported.gguf");
        using (var model = HuggingFaceModel.Open(folder)) model.Save(imported, _ => { }, CancellationToken.None);
        using GgufFile file = ModelFile.Open(folder);
        using LanguageModel fromFolder = LanguageModel.Load(folder), fromFile = LanguageModel.Load(imported);
        Assert.Equal(new FileInfo(Path.Combine(folder, "model.safetensors")).Length, fromFolder.Plan.Weights);
        Assert.Equal(fromFile.Plan.Working + file.ConvertedBytes + file.ReadingBytes, fromFolder.Plan.Working);
        Assert.Equal(fromFile.Plan.Cache, fromFolder.Plan.Cache);
        Assert.Equal(("llama3-rope", "llama3-rope"), (fromFolder.Name, ModelStore.NameOf(folder)));
        Assert.Equal(fromFile.Tokenizer.Encode("Once upon a time"), fromFolder.Tokenizer.Encode("Once upon a time"));
    }

    [Fact]
    public void A_copy_of_it_as_a_file_has_its_tensors()
    {
        string folder = _folder.CopyOf("llama-mha-tied-bias"), copy = _folder.PathOf("copy.gguf");
        using GgufFile file = ModelFile.Open(folder);
        GgufWriter.CopyOf(file).Save(copy);
        Assert.Equal(Logits(folder), Logits(copy));
    }

    [Fact]
    public void A_store_opens_a_folder_with_weights_and_names_what_is_wrong_with_another()
    {
        string folder = _folder.CopyOf("llama3-rope");
        var store = new ModelStore(_folder.PathOf("user"), _folder.PathOf("system"));
        Assert.Equal(folder, store.PathOf(folder));
        using (LanguageModel model = store.Load(folder)) Assert.Equal("llama3-rope", model.Name);
        File.Delete(Path.Combine(folder, "model.safetensors"));
        Assert.Contains("is a Hugging Face folder without weights that are read here",
            Assert.Throws<FileNotFoundException>(() => store.PathOf(folder)).Message);
        File.Delete(Path.Combine(folder, "config.json"));
        Assert.Contains("is a folder without a model in it", Assert.Throws<FileNotFoundException>(() => store.PathOf(folder)).Message);
        Assert.Contains("is a folder without config.json", Assert.Throws<ModelException>(() => LanguageModel.Load(folder)).Message);
    }

    private static float[] Logits(string path)
    {
        using LanguageModel model = LanguageModel.Load(path, new ModelOptions { Threads = 1 });
        using KvCache cache = model.CreateCache();
        return model.Forward(Prompt, cache).ToArray();
    }

    private static byte[] IdentityOf(string path)
    {
        using LanguageModel model = LanguageModel.Load(path, new ModelOptions { Threads = 1 });
        return model.Identity().ToArray();
    }

    /// <summary>Writes all numbers (BF16) as others.</summary>
    private static void Convert(TestSafetensors weights, string kind)
    {
        if (kind == "BF16") return;
        var data = new List<byte>();
        foreach ((string name, JsonNode? entry) in weights.Header.ToArray())
        {
            if (name == "__metadata__") continue;
            int start = entry!["data_offsets"]![0]!.GetValue<int>(), end = entry["data_offsets"]![1]!.GetValue<int>(), first = data.Count;
            for (int at = start; at < end; at += 2)
            {
                float number = BitConverter.Int32BitsToSingle(BitConverter.ToUInt16(weights.Data, at) << 16);
                data.AddRange(kind == "F32" ? BitConverter.GetBytes(number) : BitConverter.GetBytes((Half)number));
            }
            entry["dtype"] = kind;
            entry["data_offsets"] = new JsonArray(first, data.Count);
        }
        weights.Data = [.. data];
    }
}
