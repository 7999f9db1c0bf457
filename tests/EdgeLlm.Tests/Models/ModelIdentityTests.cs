using System.Security.Cryptography;
using EdgeLlm.Generation;
using EdgeLlm.Gguf;
using EdgeLlm.Kernels;
using EdgeLlm.Models;
using EdgeLlm.Tests.Gguf;

namespace EdgeLlm.Tests.Models;

/// <summary>"The same model" is said by a file's bytes alone.</summary>
public sealed class ModelIdentityTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    private static string Stories => SharedFolder.Require("models", "stories260K.f32.gguf");

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void It_is_what_sha256sum_prints()
    {
        using LanguageModel model = Open(Stories);
        Assert.Equal(SHA256.HashData(File.ReadAllBytes(Stories)), model.Identity().ToArray());
        Assert.Equal(model.Identity(), model.Identity());
    }

    [Fact]
    public void Two_models_of_one_header_are_two_models()
    {
        using LanguageModel one = Open(Stories), other = Open(WithOtherWeights());
        Assert.NotEqual(one.Identity().ToArray(), other.Identity().ToArray());
        Assert.NotEqual(one.StateKey(), other.StateKey());

        using var session = new ChatSession(one);
        using var saved = new MemoryStream();
        session.Save(saved);
        saved.Position = 0;
        using var elsewhere = new ChatSession(other);
        Assert.Contains("another model", Assert.Throws<InvalidDataException>(() => elsewhere.Load(saved)).Message);
    }

    [Fact]
    public void What_changes_a_bit_of_the_logits_changes_the_key_of_what_is_saved_and_nothing_else_does()
    {
        string path = Stories;
        byte[] key = KeyOf(new ModelOptions());
        Assert.NotEqual(key, KeyOf(new ModelOptions { CacheType = KeyValueType.I8 }));
        Assert.NotEqual(key, KeyOf(new ModelOptions { FloatActivations = true }));
        Assert.Equal(key, KeyOf(new ModelOptions { Threads = 1, PrefillChunk = 7, Kernel = "scalar", ContextLength = 64, Name = "other" }));

        byte[] KeyOf(ModelOptions options)
        {
            using LanguageModel model = LanguageModel.Load(path, options);
            return model.StateKey();
        }
    }

    [Fact]
    public void An_option_that_is_not_known_to_change_no_bit_is_part_of_the_key()
    {
        string[] withoutEffect =
        [
            nameof(ModelOptions.Name), nameof(ModelOptions.ContextLength), nameof(ModelOptions.Threads), nameof(ModelOptions.DecodeThreads),
            nameof(ModelOptions.PrefillChunk),
            nameof(ModelOptions.Kernel), nameof(ModelOptions.Contexts), nameof(ModelOptions.ChatTemplate),
            nameof(ModelOptions.IdentityFolder), nameof(ModelOptions.MemoryLimit),
            nameof(ModelOptions.PrefixBytes), nameof(ModelOptions.OtherBytes), nameof(ModelOptions.DraftModel),
            nameof(ModelOptions.PlansForms),
        ];
        string path = Stories;
        Assert.Empty(Ignored(new ModelOptions(), KeyOf, withoutEffect));
        Assert.Equal([nameof(Pretended.NewKnob)], Ignored(new Pretended(), pretended => KeyOf(pretended.Model), [nameof(Pretended.Model)]));

        byte[] KeyOf(ModelOptions options)
        {
            using LanguageModel model = LanguageModel.Load(path, options);
            return model.StateKey();
        }
    }

    [Fact]
    public void Where_angles_depend_on_the_context_it_is_part_of_the_key()
    {
        string longer = SharedFolder.Require("golden", "logits", "phi3-longrope", "model.gguf");
        Assert.NotEqual(KeyOf(40), KeyOf(41));

        byte[] KeyOf(int context)
        {
            using LanguageModel model = LanguageModel.Load(longer, new ModelOptions { ContextLength = context });
            return model.StateKey();
        }
    }

    private sealed record Pretended
    {
        public ModelOptions Model { get; init; } = new();

        public double NewKnob { get; init; }
    }

    /// <summary>Names of the properties that the key does not change with, beside those that are known.</summary>
    private static List<string> Ignored<T>(T options, Func<T, byte[]> key, string[] known) where T : class
    {
        byte[] before = key(options);
        var ignored = new List<string>();
        foreach (System.Reflection.PropertyInfo property in typeof(T).GetProperties()
            .Where(property => property.CanWrite && !known.Contains(property.Name)))
        {
            var changed = (T)typeof(T).GetMethod("<Clone>$")!.Invoke(options, null)!;
            object? value = property.GetValue(options);
            property.SetValue(changed, value switch
            {
                bool on => !on,
                Enum kind => Enum.GetValues(kind.GetType()).Cast<object>().First(other => !other.Equals(kind)),
                null => "other",
                _ => Convert.ChangeType(1 + Convert.ToInt64(value), property.PropertyType),
            });
            if (before.AsSpan().SequenceEqual(key(changed))) ignored.Add(property.Name);
        }
        return ignored;
    }

    [Fact]
    public void A_remembered_hash_is_taken_for_the_same_file_and_for_no_other()
    {
        string path = WithOtherWeights(), memory = _folder.PathOf("memory");
        byte[] remembered = [.. Enumerable.Range(0, 32).Select(i => (byte)i)];
        ModelIdentity.Remember(path, remembered, memory);
        Assert.Equal(remembered, IdentityOf(path));
        Assert.Equal(remembered, IdentityOf(path)); // and stays

        string copy = _folder.PathOf("copy.gguf");
        File.Copy(path, copy);
        Assert.Equal(SHA256.HashData(File.ReadAllBytes(path)), IdentityOf(copy));

        // Another weight, and the time of writing set back: the time of change can't be.
        DateTime written = File.GetLastWriteTimeUtc(path);
        byte[] bytes = File.ReadAllBytes(path);
        bytes[^1] ^= 1;
        using (FileStream file = File.OpenWrite(path)) file.Write(bytes);
        File.SetLastWriteTimeUtc(path, written);
        Assert.Equal(SHA256.HashData(bytes), IdentityOf(path));

        byte[] IdentityOf(string path)
        {
            using GgufFile file = GgufFile.Open(path);
            return ModelIdentity.Of(file, memory);
        }
    }

    [Fact]
    public void A_file_that_changed_just_now_is_not_remembered()
    {
        string path = WithOtherWeights(), memory = _folder.PathOf("memory");
        using GgufFile file = GgufFile.Open(path);
        ModelIdentity.Of(file, memory);
        Assert.False(Directory.Exists(memory));
    }

    [Fact]
    public void A_folder_that_cannot_be_written_and_damaged_memories_only_cost_time()
    {
        string path = WithOtherWeights(), memory = _folder.PathOf("memory");
        byte[] expected = SHA256.HashData(File.ReadAllBytes(path));
        using GgufFile file = GgufFile.Open(path);
        ModelIdentity.Remember(path, expected, _folder.Write("file", "not a folder"u8.ToArray()));
        Assert.Equal(expected, ModelIdentity.Of(file, _folder.PathOf("file")));

        ModelIdentity.Remember(path, expected, memory);
        foreach (string kept in Directory.GetFiles(memory)) File.WriteAllBytes(kept, [1, 2, 3]);
        Assert.Equal(expected, ModelIdentity.Of(file, memory));
    }

    [Fact]
    public void Memories_are_bounded()
    {
        string memory = _folder.PathOf("memory");
        for (int i = 0; i < 300; i++) ModelIdentity.Remember(_folder.Write($"{i}", BitConverter.GetBytes(i)), new byte[32], memory);
        Assert.InRange(Directory.GetFiles(memory).Length, 200, 256);
    }

    [Fact]
    public void Disposing_ends_the_reading_of_the_file()
    {
        LanguageModel model = Open(Stories);
        model.Dispose();
        Assert.Throws<ObjectDisposedException>(() => model.Identity());
        GgufFile file = GgufFile.Open(Stories);
        file.Dispose();
        Assert.Throws<ObjectDisposedException>(() => ModelIdentity.Of(file, folder: null));
    }

    private static LanguageModel Open(string path) => LanguageModel.Load(path, new ModelOptions { Threads = 1, ContextLength = 64 });

    private string WithOtherWeights()
    {
        byte[] bytes = File.ReadAllBytes(Stories);
        using (GgufFile file = GgufFile.Open(Stories))
            BitConverter.TryWriteBytes(bytes.AsSpan((int)file.FindTensor("output_norm.weight")!.Offset), 3.5f);
        return _folder.Write("other.gguf", bytes);
    }
}
