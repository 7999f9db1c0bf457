using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using EdgeLlm.Quantization;

namespace EdgeLlm.Tests.Quantization;

public sealed class CodebookSearchTests
{
    private static readonly sbyte[] Even = [.. Enumerable.Range(0, 16).Select(i => (sbyte)(8 * i - 63))];
    private static readonly sbyte[] Normal = [-63, -52, -42, -33, -25, -18, -11, -5, 1, 7, 13, 19, 27, 35, 45, 57];
    // more borders in a stretch than the tables have
    private static readonly sbyte[] Narrow = [-63, -40, -9, -7, -5, -3, -2, -1, 0, 1, 2, 3, 5, 8, 20, 40];

    public static TheoryData<sbyte[], int, bool> Cases()
    {
        var cases = new TheoryData<sbyte[], int, bool>();
        foreach (sbyte[] values in new[] { Even, Normal })
        {
            foreach (int length in new[] { 16, 32 })
            {
                cases.Add(values, length, false);
                cases.Add(values, length, true);
            }
        }
        return cases;
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void The_vector_form_finds_the_same_sums(sbyte[] values, int length, bool hasImportance)
    {
        Assert.SkipUnless(Avx2.IsSupported, "needs AVX2");
        var search = new CodebookSearch(values);
        var random = new Random(1);
        for (int run = 0; run < 500; run++)
        {
            float[] x = Run(random, length),
                importance = hasImportance ? [.. Enumerable.Range(0, length).Select(_ => (float)Math.Pow(random.NextDouble(), 4))] : [];
            float unit = CodebookSearch.One / x.Max(MathF.Abs);
            bool mirrored = x.Min() < -x.Max();
            ColumnImportance? columns = hasImportance ? new ColumnImportance(importance, length) : null;
            Assert.Equal(search.Best(x, unit, mirrored, columns?.Counts, columns?.Shares),
                search.BestAvx2(x, unit, mirrored, columns?.Counts, columns?.Shares));
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    public void Codes_are_those_of_the_nearest_values(int which)
    {
        sbyte[] values = new[] { Even, Normal, Narrow }[which];
        var search = new CodebookSearch(values);
        var random = new Random(2);
        for (int run = 0; run < 200; run++)
        {
            float[] x = [.. Run(random, 32).Select(v => 70 * v)];
            Vector128<byte> packed = search.Codes(x, 1, 0.5f);
            for (int k = 0; k < 32; k++)
            {
                float scaled = x[k] * (k < 16 ? 1 : 0.5f);
                int code = k < 16 ? packed[k] & 15 : packed[k - 16] >> 4;
                Assert.Equal(search.Code(scaled), code);
                Assert.True(Math.Abs(values[code] - scaled) <= values.Min(value => Math.Abs(value - scaled)) + 0.5f);
            }
        }
    }

    [Fact]
    public void A_run_that_the_codebook_can_hold_is_found_exactly()
    {
        var search = new CodebookSearch(Normal);
        foreach (float scale in new[] { 0.001f, -3f, 1e-20f })
        {
            float[] x = [.. Enumerable.Range(0, 32).Select(k => scale * Normal[k * 7 % 16])];
            float found = search.FindScale(x, null, 0);
            Assert.Equal(1, found / scale, 1e-3f);
        }
    }

    [Fact]
    public void Importance_of_zero_everywhere_is_no_importance_and_zeros_have_no_scale()
    {
        var search = new CodebookSearch(Normal);
        float[] x = Run(new Random(3), 32);
        Assert.Equal(search.FindScale(x, null, 0), search.FindScale(x, new ColumnImportance(new float[32], 32), 0));
        Assert.Equal(0, search.FindScale(new float[32], null, 0));
    }

    private static float[] Run(Random random, int length) =>
        [.. Enumerable.Range(0, length).Select(_ => (float)(random.NextDouble() + random.NextDouble() - 1))];
}
