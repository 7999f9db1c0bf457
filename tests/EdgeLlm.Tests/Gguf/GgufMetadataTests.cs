using System.Text;
using EdgeLlm.Gguf;

namespace EdgeLlm.Tests.Gguf;

public sealed class GgufMetadataTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly GgufFile _file;

    public GgufMetadataTests() => _file = GgufFile.Open(_folder.Write("sample.gguf", GgufSample.Writer().ToArray()));

    private GgufMetadata Metadata => _file.Metadata;

    public void Dispose()
    {
        _file.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public void Keys_come_in_the_files_order_with_their_types()
    {
        Assert.Equal(18, Metadata.Count);
        Assert.Equal("general.architecture", Metadata.Keys[0]);
        Assert.Equal("empty", Metadata.Keys[^1]);
        Assert.Equal(
            [GgufValueType.UInt8, GgufValueType.Int8, GgufValueType.UInt16, GgufValueType.Int16, GgufValueType.UInt32, GgufValueType.Int32,
             GgufValueType.Float32, GgufValueType.Bool, GgufValueType.UInt64, GgufValueType.Int64, GgufValueType.Float64],
            Metadata.Where(pair => pair.Key.StartsWith("a.", StringComparison.Ordinal)).Select(pair => pair.Value.Type));
    }

    [Theory]
    [InlineData("general.architecture", "llama")]
    [InlineData("a.u8", "200")]
    [InlineData("a.i8", "-100")]
    [InlineData("a.u16", "60000")]
    [InlineData("a.i16", "-30000")]
    [InlineData("a.u32", "4000000000")]
    [InlineData("a.i32", "-2000000000")]
    [InlineData("a.f32", "1E-05")]
    [InlineData("a.bool", "true")]
    [InlineData("a.u64", "18446744073709551615")]
    [InlineData("a.i64", "-9223372036854775808")]
    [InlineData("a.f64", "0.1")]
    [InlineData("tokens", "String[5]")]
    [InlineData("scores", "Float32[3]")]
    [InlineData("empty", "Int32[0]")]
    public void Every_value_has_a_text(string key, string text)
    {
        Assert.True(Metadata.TryGet(key, out GgufValue? value));
        Assert.Equal(text, value.ToString());
    }

    [Fact]
    public void An_integer_of_any_width_is_taken_where_it_fits()
    {
        Assert.Equal(200u, Metadata.GetUInt32("a.u8"));
        Assert.Equal(60000, Metadata.GetInt32("a.u16"));
        Assert.Equal(4000000000u, Metadata.GetUInt32("a.u32"));
        Assert.Equal(-2000000000, Metadata.GetInt32("a.i32"));
        Assert.Equal(200f, Metadata.GetFloat("a.u8"));
        Assert.Equal(0.1f, Metadata.GetFloat("a.f64"));
        Assert.True(Metadata.GetBool("a.bool"));
    }

    [Theory]
    [InlineData("a.i8", "must be an integer that fits UInt32 but is Int8 -100")]
    [InlineData("a.u64", "must be an integer that fits UInt32 but is UInt64 18446744073709551615")]
    [InlineData("a.f32", "must be an integer that fits UInt32 but is Float32 1E-05")]
    [InlineData("a.bool", "must be an integer that fits UInt32 but is Bool true")]
    [InlineData("general.architecture", "must be an integer that fits UInt32 but is String")]
    [InlineData("tokens", "must be an integer that fits UInt32 but is array of String")]
    public void A_wrong_type_is_an_error_with_file_key_and_offset(string key, string problem)
    {
        Assert.True(Metadata.TryGet(key, out GgufValue? value));
        GgufException error = Assert.Throws<GgufException>(() => Metadata.GetUInt32(key));
        Assert.Equal($"{_file.Path}: {problem} (key '{key}', offset {value.Offset})", error.Message);
        Assert.Throws<GgufException>(() => Metadata.GetUInt32(key, 7));
    }

    [Fact]
    public void Each_getter_refuses_what_it_cannot_give()
    {
        Assert.Throws<GgufException>(() => Metadata.GetString("a.u8"));
        Assert.Throws<GgufException>(() => Metadata.GetInt32("a.u32"));
        Assert.Throws<GgufException>(() => Metadata.GetFloat("a.bool"));
        Assert.Throws<GgufException>(() => Metadata.GetBool("a.u8"));
        Assert.Throws<GgufException>(() => Metadata.GetArray<int>("a.u8"));
        Assert.Throws<GgufException>(() => Metadata.GetArray<int>("tokens"));
        Assert.Throws<GgufException>(() => Metadata.GetArray<int>("scores"));
        Assert.Throws<GgufException>(() => Metadata.GetArray<uint>("missing"));
        Assert.Throws<GgufException>(() => Metadata.GetStringArray("scores"));
    }

    [Fact]
    public void A_missing_key_is_the_fallback_or_an_error_that_names_it()
    {
        Assert.Equal(7u, Metadata.GetUInt32("none", 7));
        Assert.Equal(-7, Metadata.GetInt32("none", -7));
        Assert.Equal(0.5f, Metadata.GetFloat("none", 0.5f));
        Assert.True(Metadata.GetBool("none", true));
        Assert.Null(Metadata.GetString("none", null));
        GgufException error = Assert.Throws<GgufException>(() => Metadata.GetString("none"));
        Assert.Equal($"{_file.Path}: has no such key (key 'none')", error.Message);
    }

    [Fact]
    public void Arrays_of_numbers_are_copied_and_converted()
    {
        Assert.Equal([0, -1.5f, -2], Metadata.GetArray<float>("scores"));
        Assert.Equal([0, -1.5, -2], Metadata.GetArray<double>("scores"));
        Assert.Equal([3, 6, 1], Metadata.GetArray<int>("types"));
        Assert.Equal([3u, 6u, 1u], Metadata.GetArray<uint>("types"));
        Assert.Equal([3f, 6f, 1f], Metadata.GetArray<float>("types"));
        Assert.Equal(new byte[] { 1, 0 }, Metadata.GetArray<byte>("flags"));
        Assert.Empty(Metadata.GetArray<int>("empty"));
    }

    [Fact]
    public void An_item_that_does_not_fit_is_an_error()
    {
        Assert.False(GgufValue.OfArray<int>([1, -1]).TryGetArray(out uint[]? _));
        Assert.False(GgufValue.OfArray<int>([1, 256]).TryGetArray(out byte[]? _));
        Assert.False(GgufValue.OfArray([ulong.MaxValue]).TryGetArray(out long[]? _));
        Assert.True(GgufValue.OfArray<int>([1, 255]).TryGetArray(out byte[]? bytes));
        Assert.Equal(new byte[] { 1, 255 }, bytes);
    }

    [Fact]
    public void Strings_are_decoded_one_by_one()
    {
        GgufStringArray tokens = Metadata.GetStringArray("tokens");
        Assert.Equal(GgufSample.Tokens, tokens);
        Assert.Equal("Grüße"u8, tokens.Utf8(3));
        Assert.Equal(5, tokens.Count);
        Assert.Throws<IndexOutOfRangeException>(() => tokens[5]);
        Assert.Throws<IndexOutOfRangeException>(() => tokens[-1]);
    }

    [Fact]
    public void Text_that_is_not_UTF8_is_kept_and_shown_with_replacement_characters()
    {
        byte[] bytes = new GgufBytes(tensors: 0, keys: 1).Key("k", GgufValueType.String).UInt64(3)
            .Raw([(byte)'a', 0xFF, (byte)'b']).ToArray();
        using GgufFile file = GgufFile.Open(_folder.Write("bytes.gguf", bytes));
        Assert.Equal("a\uFFFDb", file.Metadata.GetString("k"));
        Assert.True(file.Metadata.TryGet("k", out GgufValue? value));
        Assert.Equal("61FF62", Convert.ToHexString(value.Bytes));
    }

    [Fact]
    public void Opening_a_vocabulary_makes_no_strings_of_it()
    {
        string[] tokens = [.. Enumerable.Range(0, 50_000).Select(number => $"token number {number}")];
        var writer = new GgufWriter();
        writer.Set("tokenizer.ggml.tokens", GgufValue.OfArray(tokens));
        string path = _folder.Write("vocabulary.gguf", writer.ToArray());

        GgufFile.Open(path).Dispose();
        long before = GC.GetAllocatedBytesForCurrentThread();
        using GgufFile file = GgufFile.Open(path);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 16_384);
        Assert.Equal("token number 49999", Encoding.UTF8.GetString(file.Metadata.GetStringArray("tokenizer.ggml.tokens").Utf8(49_999)));
    }
}
