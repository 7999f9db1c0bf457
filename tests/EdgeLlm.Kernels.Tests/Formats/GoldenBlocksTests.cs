using System.Runtime.InteropServices;
using System.Text.Json;
using EdgeLlm.Kernels.Formats;
using EdgeLlm.Tests;

namespace EdgeLlm.Kernels.Tests.Formats;

public sealed class GoldenBlocksTests
{
    /// <summary>Every type but F32, which the goldens leave out.</summary>
    public static TheoryData<ElementType> Types => [.. RandomBlocks.WeightTypes.Where(type => type != ElementType.F32)];

    [Theory]
    [MemberData(nameof(Types))]
    public void Blocks_that_llama_cpp_made_stand_for_the_same_floats_to_the_bit(ElementType type)
    {
        string folder = SharedFolder.Require("golden", "blocks");
        (string name, _) = Index(folder).Single(entry => entry.Facts.GetProperty("ggml_type").GetUInt32() == (uint)type);

        byte[] bytes = File.ReadAllBytes(Path.Combine(folder, name + ".bin"));
        float[] expected = MemoryMarshal.Cast<byte, float>(File.ReadAllBytes(Path.Combine(folder, name + ".f32"))).ToArray();

        Decoding.AssertSameBits(expected, Decoding.ToFloats(type, bytes));
    }

    [Fact]
    public void The_goldens_have_the_types_tested_here_and_no_others_with_the_sizes_of_the_table()
    {
        var entries = Index(SharedFolder.Require("golden", "blocks"));

        Assert.Equal(
            Types.Select(row => row.Data).Order(),
            entries.Select(entry => (ElementType)entry.Facts.GetProperty("ggml_type").GetUInt32()).Order());
        foreach ((string name, JsonElement facts) in entries)
        {
            ElementFormat format = ElementFormat.Get((ElementType)facts.GetProperty("ggml_type").GetUInt32());
            Assert.Equal(name, format.Name, ignoreCase: true);
            Assert.Equal(facts.GetProperty("block").GetInt32(), format.ValuesPerBlock);
            Assert.Equal(facts.GetProperty("bytes_per_block").GetInt32(), format.BytesPerBlock);
        }
    }

    [Fact]
    public unsafe void Grids_sign_and_code_point_tables_are_those_of_the_goldens()
    {
        string path = Path.Combine(SharedFolder.Require("golden", "blocks"), "grids.json");
        using JsonDocument grids = JsonDocument.Parse(File.ReadAllBytes(path));
        sbyte[] Values(string name) => [.. Flatten(grids.RootElement.GetProperty(name)).Select(value => unchecked((sbyte)value))];
        static sbyte[] Bytes(void* entries, int count) => new ReadOnlySpan<sbyte>(entries, count).ToArray();

        Assert.Equal(Values("iq2_xxs"), Bytes(QuantizationGrids.IQ2_XXS, 256 * 8));
        Assert.Equal(Values("iq2_xs"), Bytes(QuantizationGrids.IQ2_XS, 512 * 8));
        Assert.Equal(Values("iq2_s"), Bytes(QuantizationGrids.IQ2_S, 1024 * 8));
        Assert.Equal(Values("iq3_xxs"), Bytes(QuantizationGrids.IQ3_XXS, 256 * 4));
        Assert.Equal(Values("iq3_s"), Bytes(QuantizationGrids.IQ3_S, 512 * 4));
        Assert.Equal(Values("iq1"), Bytes(QuantizationGrids.IQ1, 2048 * 8));
        Assert.Equal(Values("signs"), Bytes(QuantizationGrids.EvenSigns, 128));
        Assert.Equal(Values("iq4_nl"), CodePoints.IQ4.ToArray());
        Assert.Equal(Values("e2m1_doubled"), CodePoints.DoubledE2M1.ToArray());
    }

    private static List<(string Name, JsonElement Facts)> Index(string folder)
    {
        using JsonDocument index = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder, "index.json")));
        return [.. index.RootElement.EnumerateObject().Select(entry => (entry.Name, entry.Value.Clone()))];
    }

    private static IEnumerable<int> Flatten(JsonElement element) =>
        element.ValueKind == JsonValueKind.Array ? element.EnumerateArray().SelectMany(Flatten) : [element.GetInt32()];
}
