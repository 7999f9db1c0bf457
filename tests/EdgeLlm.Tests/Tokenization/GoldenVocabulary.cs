using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using System.Text;
using EdgeLlm.Tokenization;

namespace EdgeLlm.Tests.Tokenization;

/// <summary>Reads the tokenizer out of a vocabulary-only GGUF file with no more than that takes: these tests stand alone.</summary>
internal sealed class GoldenVocabulary
{
    private static readonly ConcurrentDictionary<string, Tokenizer> Loaded = new();

    private readonly byte[] _file;
    private readonly Dictionary<string, object> _values = [];
    private int _position = 4; // after the magic

    private GoldenVocabulary(string path)
    {
        _file = File.ReadAllBytes(path);
        Assert.Equal("GGUF"u8, _file.AsSpan(0, 4));
        Read<uint>(); // version
        Read<ulong>(); // tensors
        for (ulong left = Read<ulong>(); left > 0; left--)
        {
            string key = Encoding.UTF8.GetString(ReadString());
            _values[key] = ReadValue(Read<uint>());
        }
    }

    /// <summary>The tokenizer of `../shared/golden/tokenizers/{name}`, read once.</summary>
    public static Tokenizer Load(string name) =>
        Loaded.GetOrAdd(SharedFolder.Require("golden", "tokenizers", name), path => Tokenizer.Create(new GoldenVocabulary(path).ToData()));

    private TokenizerData ToData() => new()
    {
        Model = Encoding.UTF8.GetString((byte[])_values["tokenizer.ggml.model"]),
        Pre = Get("pre") is byte[] pre ? Encoding.UTF8.GetString(pre) : null,
        Tokens = (Utf8Strings)_values["tokenizer.ggml.tokens"],
        Merges = (Utf8Strings?)Get("merges"),
        Scores = Get("scores") is byte[] scores ? MemoryMarshal.Cast<byte, float>(scores).ToArray() : null,
        TokenTypes = Get("token_type") is byte[] types ? MemoryMarshal.Cast<byte, int>(types).ToArray() : null,
        BosId = (int?)(uint?)Get("bos_token_id"),
        EosId = (int?)(uint?)Get("eos_token_id"),
        UnknownId = (int?)(uint?)Get("unknown_token_id"),
        AddBos = Get("add_bos_token") is byte[] addBos ? addBos[0] != 0 : null,
        AddEos = Get("add_eos_token") is byte[] addEos ? addEos[0] != 0 : null,
        AddSpacePrefix = Get("add_space_prefix") is byte[] addSpace ? addSpace[0] != 0 : null,
    };

    private object? Get(string key) => _values.GetValueOrDefault("tokenizer.ggml." + key);

    private object ReadValue(uint type) => type switch
    {
        4 => Read<uint>(),
        8 => ReadString(),
        9 => ReadArray(Read<uint>(), (int)Read<ulong>()),
        _ => Take(WidthOf(type)),
    };

    private object ReadArray(uint type, int count)
    {
        if (type != 8) return Take(WidthOf(type) * count);
        Utf8Strings strings = new(count);
        for (int i = 0; i < count; i++) strings.Add(ReadString());
        return strings;
    }

    private static int WidthOf(uint type) => type switch { 0 or 1 or 7 => 1, 2 or 3 => 2, 4 or 5 or 6 => 4, _ => 8 };

    private byte[] ReadString() => Take((int)Read<ulong>());

    private T Read<T>() where T : struct => MemoryMarshal.Read<T>(Take(Marshal.SizeOf<T>()));

    private byte[] Take(int length) => _file.AsSpan((_position += length) - length, length).ToArray();
}
