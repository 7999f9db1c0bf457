using EdgeLlm.Gguf;
using EdgeLlm.Kernels.Formats;

namespace EdgeLlm.Tests.Gguf;

/// <summary>Each way in which a file can be wrong: the message names the file, the field and its offset.</summary>
public sealed class GgufMalformedTests : IDisposable
{
    // Where the first key and, without keys, the first tensor start.
    private const int Entries = 24;

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private void Refused(byte[] bytes, string problem, string field, long offset)
    {
        string path = _folder.Write("wrong.gguf", bytes);
        GgufException error = Assert.Throws<GgufException>(() => GgufFile.Open(path));
        Assert.StartsWith($"{path}: ", error.Message);
        Assert.Contains(problem, error.Message);
        Assert.EndsWith($"({field}, offset {offset})", error.Message);
        Assert.Equal((path, field, offset), (error.File, error.Field, error.Offset));
        Assert.DoesNotContain('\n', error.Message);
        File.Delete(path); // nothing holds it
    }

    private void Refused(GgufBytes bytes, string problem, string field, long offset) => Refused(bytes.ToArray(), problem, field, offset);

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(23)]
    public void A_file_shorter_than_a_header(int length) =>
        Refused(new GgufBytes(0, 0).ToArray()[..length], $"is not a GGUF file: it has {length} bytes", "header", 0);

    [Fact]
    public void Another_magic() => Refused("PK\u0003\u0004 and some more bytes..."u8.ToArray(), "first bytes are 504B0304", "magic", 0);

    [Theory]
    [InlineData(0x03000000u, "big-endian")]
    [InlineData(0x02000000u, "big-endian")]
    [InlineData(1u, "has version 1, and only 2 and 3")]
    [InlineData(4u, "has version 4")]
    public void Another_version(uint version, string problem) => Refused(new GgufBytes(0, 0, version), problem, "version", 4);

    [Theory]
    [InlineData(1ul)]
    [InlineData(1ul << 40)]
    [InlineData(ulong.MaxValue)]
    public void More_tensors_than_the_file_can_hold(ulong count) =>
        Refused(new GgufBytes(tensors: count, keys: 0), $"is {count}, more than the 8 bytes", "number of tensors", 8);

    [Theory]
    [InlineData(1ul)]
    [InlineData(ulong.MaxValue)]
    public void More_keys_than_the_file_can_hold(ulong count) =>
        Refused(new GgufBytes(tensors: 0, keys: count), $"is {count}, more than the 0 bytes", "number of keys", 16);

    [Fact]
    public void More_keys_than_are_supported() =>
        Refused(new GgufBytes(tensors: 0, keys: 16385).Raw(new byte[16385 * 14]),
            "16385, more than the 16384 that are supported", "number of keys", 16);

    [Fact]
    public void More_tensors_than_are_supported() =>
        Refused(new GgufBytes(tensors: 65537, keys: 0).Raw(new byte[65537 * 33]),
            "65537, more than the 65536 that are supported", "number of tensors", 8);

    [Fact]
    public void More_bytes_of_names_than_are_supported()
    {
        var bytes = new GgufBytes(tensors: 0, keys: 65);
        for (int key = 0; key < 64; key++) bytes.Key(new string((char)('0' + key), 65535), GgufValueType.UInt8).UInt8(0);
        long last = bytes.Position;
        Refused(bytes.Key(new string('~', 65535), GgufValueType.UInt8).UInt8(0),
            "names have more than 4194304 bytes in all", "key 64 name", last);
    }

    [Theory]
    [InlineData(65536ul, "has 65536 bytes, more than 65535")]
    [InlineData(ulong.MaxValue, "has 18446744073709551615 bytes")]
    [InlineData(7ul, "needs 7 bytes, more than the 6")]
    [InlineData(0ul, "is empty")]
    public void A_key_of_a_wrong_length(ulong length, string problem) =>
        Refused(new GgufBytes(0, 1).UInt64(length).Raw(new byte[6]), problem, "key 0 name", length == 7 ? Entries + 8 : Entries);

    [Fact]
    public void A_key_that_is_not_text()
    {
        Refused(new GgufBytes(0, 1).UInt64(2).Raw([0xC3, 0x28]).UInt32(0).UInt8(1), "is not valid UTF-8", "key 0 name", Entries);
        Refused(new GgufBytes(0, 1).Key("a\u001B[31m", GgufValueType.UInt8).UInt8(1), "has a control character", "key 0 name", Entries);
    }

    [Fact]
    public void A_key_twice()
    {
        GgufBytes bytes = new GgufBytes(0, 2).Key("same", GgufValueType.UInt8).UInt8(1);
        long second = bytes.Position;
        Refused(bytes.Key("same", GgufValueType.UInt8).UInt8(1), "is there twice", "key 'same'", second);
    }

    [Theory]
    [InlineData(13u)]
    [InlineData(uint.MaxValue)]
    public void A_value_of_an_unknown_type(uint type) =>
        Refused(new GgufBytes(0, 1).Key("k", (GgufValueType)type).UInt64(0), $"is {type}, which is unknown",
            "key 'k' value type", Entries + 9);

    [Fact]
    public void A_bool_that_is_neither()
    {
        Refused(new GgufBytes(0, 1).Key("k", GgufValueType.Bool).UInt8(2), "is a bool of 2", "key 'k' value", Entries + 13);
        Refused(
            new GgufBytes(0, 1).Key("k", GgufValueType.Array).UInt32((uint)GgufValueType.Bool).UInt64(3).Raw([1, 0, 9]),
            "has a bool of 9", "key 'k' array", Entries + 13 + 12 + 2);
    }

    [Fact]
    public void A_value_that_the_file_cuts() =>
        Refused(new GgufBytes(0, 1).Key("key", GgufValueType.UInt64).UInt32(1), "needs 8 bytes, more than the 4",
            "key 'key' value", Entries + 15);

    [Theory]
    [InlineData(5ul)]
    [InlineData(ulong.MaxValue)]
    public void A_string_longer_than_the_file(ulong length) =>
        Refused(new GgufBytes(0, 1).Key("k", GgufValueType.String).UInt64(length).Raw("text"u8), $"is {length}, more than the 4 bytes",
            "key 'k' string length", Entries + 13);

    [Theory]
    [InlineData(GgufValueType.UInt8, 9ul)]
    [InlineData(GgufValueType.Int32, 3ul)]
    [InlineData(GgufValueType.Float64, 1ul << 61)]
    [InlineData(GgufValueType.String, 2ul)]
    [InlineData(GgufValueType.String, ulong.MaxValue)]
    public void An_array_longer_than_the_file(GgufValueType type, ulong count) =>
        Refused(
            new GgufBytes(0, 1).Key("k", GgufValueType.Array).UInt32((uint)type).UInt64(count).UInt64(0),
            $"is {count}, more than the 8 bytes", "key 'k' array's count", Entries + 17);

    [Fact]
    public void A_string_in_an_array_longer_than_the_file() =>
        Refused(
            new GgufBytes(0, 1).Key("k", GgufValueType.Array).UInt32((uint)GgufValueType.String).UInt64(2).Text("a").UInt64(1),
            "is 1, more than the 0 bytes", "key 'k' string length", Entries + 13 + 12 + 9);

    [Fact]
    public void An_array_of_an_unknown_type() =>
        Refused(new GgufBytes(0, 1).Key("k", GgufValueType.Array).UInt32(13).UInt64(0), "is 13, which is unknown",
            "key 'k' array's item type", Entries + 13);

    [Fact]
    public void Arrays_in_arrays_however_deep()
    {
        GgufBytes bytes = new GgufBytes(0, 1).Key("k", GgufValueType.Array);
        for (int depth = 0; depth < 100_000; depth++) bytes.UInt32((uint)GgufValueType.Array).UInt64(1);
        Refused(bytes, "array of arrays, which is not supported", "key 'k' array's item type", Entries + 13);
    }

    [Theory]
    [InlineData(0u)]
    [InlineData(4u)]
    [InlineData(48u)]
    [InlineData(0x80000001u)]
    public void An_alignment_that_is_none(uint alignment) =>
        Refused(
            new GgufBytes(0, 1).Key("general.alignment", GgufValueType.UInt32).UInt32(alignment),
            $"but is UInt32 {alignment}", "key 'general.alignment'", Entries + 8 + 17 + 4);

    [Fact]
    public void An_alignment_of_another_type()
    {
        int value = Entries + 8 + 17 + 4;
        Refused(new GgufBytes(0, 1).Key("general.alignment", GgufValueType.UInt64).UInt64(32), "but is UInt64 32",
            "key 'general.alignment'", value);
        Refused(new GgufBytes(0, 1).Key("general.alignment", GgufValueType.String).Text("3\n2"), "but is String",
            "key 'general.alignment'", value);
    }

    [Fact]
    public void A_tensor_name_of_a_wrong_length()
    {
        Refused(new GgufBytes(1, 0).UInt64(65536).Raw(new byte[40]), "has 65536 bytes", "tensor 0 name", Entries);
        Refused(new GgufBytes(1, 0).Tensor("", [1]).Data(4), "is empty", "tensor 0 name", Entries);
    }

    [Fact]
    public void A_tensor_twice()
    {
        GgufBytes bytes = new GgufBytes(2, 0).Tensor("same", [8]);
        long second = bytes.Position;
        Refused(bytes.Tensor("same", [8], offset: 32).Data(64), "is there twice", "tensor 'same'", second);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(5)]
    public void A_tensor_with_too_few_or_many_dimensions(int count) =>
        Refused(
            new GgufBytes(1, 0).Tensor("t", [.. Enumerable.Repeat(1ul, count)]).Data(32),
            $"is {count}, not 1 to 4", "tensor 't' number of dimensions", Entries + 9);

    [Theory]
    [InlineData(new[] { 0ul }, "has a dimension of 0")]
    [InlineData(new[] { 8ul, 0ul }, "has a dimension of 0")]
    [InlineData(new[] { 1ul << 63 }, "has a dimension of 2^63 or more")]
    [InlineData(new[] { 1ul << 32, 1ul << 31 }, "has more than 2^63 values")]
    [InlineData(new[] { 1ul << 16, 1ul << 16, 1ul << 16, 1ul << 16 }, "has more than 2^63 values")]
    [InlineData(new[] { 1ul << 62 }, "has more than 2^63 bytes")]
    public void A_tensor_with_an_impossible_shape(ulong[] shape, string problem) =>
        Refused(new GgufBytes(1, 0).Tensor("t", shape).Data(32), problem, "tensor 't' shape", Entries + 13);

    [Fact]
    public void A_row_that_is_not_whole_blocks() =>
        Refused(
            new GgufBytes(1, 0).Tensor("t", [48, 2], ElementType.Q4_0).Data(64),
            "rows of 48 values, not whole blocks of 32 (Q4_0)", "tensor 't' shape", Entries + 13);

    [Theory]
    [InlineData(4u)]
    [InlineData(31u)]
    [InlineData(43u)]
    [InlineData(uint.MaxValue)]
    public void A_tensor_of_an_unknown_type(uint type) =>
        Refused(new GgufBytes(1, 0).Tensor("t", [256], (ElementType)type).Data(256), $"is {type}, which is unknown",
            "tensor 't' type", Entries + 21);

    [Fact]
    public void An_offset_that_is_not_aligned() =>
        Refused(new GgufBytes(1, 0).Tensor("t", [2], offset: 8).Data(64), "is 8, not a multiple of the alignment 32",
            "tensor 't' offset", Entries + 25);

    [Theory]
    [InlineData(9ul, 0ul)]
    [InlineData(8ul, 32ul)]
    [InlineData(1ul, 64ul)]
    [InlineData(8ul, ulong.MaxValue - 31)]
    [InlineData(1ul << 60, 0ul)]
    public void Data_beyond_the_end_of_the_file(ulong columns, ulong offset) =>
        Refused(
            new GgufBytes(1, 0).Tensor("t", [columns], offset: offset).Data(32),
            $"needs {columns * 4} bytes at {offset} of the data, but the file ends at 96", "tensor 't' offset", Entries + 25);

    [Fact]
    public void A_file_that_ends_before_its_data() =>
        Refused(new GgufBytes(1, 0).Tensor("t", [1]), "but the file ends at 57", "tensor 't' offset", Entries + 25);

    [Fact]
    public void Tensors_that_overlap() =>
        Refused(
            new GgufBytes(2, 0).Tensor("b", [8], offset: 32).Tensor("a", [9], offset: 0).Data(64),
            "overlaps the data of tensor 'a'", "tensor 'b' data", 96 + 32);

    [Fact]
    public void Every_truncation_of_the_header()
    {
        byte[] whole = GgufSample.Writer().ToArray();
        string path = _folder.PathOf("cut.gguf");
        for (int length = 0; length < whole.Length; length++)
        {
            File.WriteAllBytes(path, whole[..length]);
            try
            {
                using GgufFile file = GgufFile.Open(path);
                Assert.True(length >= file.Tensors.Max(tensor => tensor.Offset + tensor.ByteCount));
            }
            catch (GgufException error)
            {
                Assert.StartsWith(path, error.Message);
                Assert.InRange(error.Offset!.Value, 0, length);
            }
        }
    }

    [Fact]
    public void A_long_name_is_cut_in_the_message()
    {
        string name = new('n', 60_000);
        string path = _folder.Write("long.gguf", new GgufBytes(1, 0).Tensor(name, [0]).Data(32).ToArray());
        Assert.InRange(Assert.Throws<GgufException>(() => GgufFile.Open(path)).Message.Length, 1, 300);
    }
}
