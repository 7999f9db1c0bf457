using EdgeLlm.Gguf;

namespace EdgeLlm.Tests.Gguf;

public sealed class GgufRealFilesTests
{
    private static readonly string[][] Folders = [["models"], ["golden", "tokenizers"], ["golden", "logits"], ["golden", "adapters"]];

    [Fact]
    public void Every_shared_file_opens_and_comes_back_byte_for_byte()
    {
        string[] paths =
            [.. Folders.SelectMany(folder => Directory.GetFiles(SharedFolder.Require(folder), "*.gguf", SearchOption.AllDirectories))];
        Assert.True(paths.Length >= 40, $"{paths.Length} files");
        using var folder = new TemporaryFolder();
        string copy = folder.PathOf("copy.gguf");
        foreach (string path in paths)
        {
            using GgufFile file = GgufFile.Open(path);
            GgufWriter.CopyOf(file).Save(copy);
            AssertSameBytes(path, copy);
        }
    }

    [Fact]
    public void The_default_models_vocabulary_and_tensors_are_as_expected()
    {
        using GgufFile file = GgufFile.Open(SharedFolder.Require("models", "SmolLM2-135M-Instruct.Q4_1.gguf"));
        Assert.Equal("llama", file.Metadata.GetString("general.architecture"));
        GgufStringArray tokens = file.Metadata.GetStringArray("tokenizer.ggml.tokens");
        Assert.Equal((49152, "<|endoftext|>"), (tokens.Count, tokens[0]));
        Assert.Equal(49152, file.Metadata.GetArray<int>("tokenizer.ggml.token_type").Length);
        Assert.Equal(272, file.Tensors.Count);
        Assert.Equal([576, 49152], file.FindTensor("token_embd.weight")!.Shape);
    }

    private static void AssertSameBytes(string expected, string actual)
    {
        using FileStream left = File.OpenRead(expected), right = File.OpenRead(actual);
        Assert.Equal(left.Length, right.Length);
        byte[] leftBytes = new byte[1 << 20], rightBytes = new byte[1 << 20];
        for (int count; (count = left.ReadAtLeast(leftBytes, leftBytes.Length, throwOnEndOfStream: false)) > 0;)
        {
            right.ReadExactly(rightBytes.AsSpan(0, count));
            Assert.True(leftBytes.AsSpan(0, count).SequenceEqual(rightBytes.AsSpan(0, count)),
                $"{expected} differs before {left.Position}");
        }
    }
}
