using System.Runtime.Intrinsics;
using EdgeLlm.Gguf;
using EdgeLlm.Kernels;
using EdgeLlm.Kernels.Formats;
using EdgeLlm.Quantization;
using EdgeLlm.Quantization.Rounding;

namespace EdgeLlm.Tests.Quantization;

/// <summary>
/// What packing costs on normally distributed weights: the design's figures for round to nearest, relative squared error.
/// </summary>
public sealed unsafe class GroupPackerTests
{
    [Theory]
    [InlineData("E4Group32", 0.0056)]
    [InlineData("E4Group16", 0.0042)]
    [InlineData("E8Group32", 0.0001)]
    [InlineData("E5Group32", 0.0018)]
    [InlineData("E3Group32", 0.032)]
    public void Weights_come_back_with_the_error_of_the_form(string packingName, double largestError)
    {
        const int Columns = 1024, Rows = 8;
        var layout = new PackedLayout(Enum.Parse<Packing>(packingName), Columns);
        float[] weights = Normal(Rows * Columns, 1);
        (Codebook codebook, RingCodebook? rings) = layout.HasCodebook
            ? MatrixQuantizer.LearnTable(Normal(32 * Columns, 2), 32, int.MaxValue, layout, default) : (Codebook.Normal, null);
        Vector256<sbyte> values = rings is null ? codebook.Vector : PackedTensor.CodebookOf(rings.Values);
        byte[] group = new byte[layout.GroupBytes];
        new GroupPacker(layout, codebook, rings: rings).Pack(weights, group);
        double error = 0, power = 0;
        float[] row = new float[Columns];
        fixed (byte* data = group)
        {
            fixed (float* start = row)
            {
                for (int r = 0; r < Rows; r++)
                {
                    new WeightMatrix(data, layout, values, Rows).RowToFloat(r, start);
                    for (int c = 0; c < Columns; c++)
                    {
                        error += Math.Pow(row[c] - weights[r * Columns + c], 2);
                        power += Math.Pow(weights[r * Columns + c], 2);
                    }
                }
            }
        }
        Assert.InRange(error / power, 0, largestError);
    }

    [Fact]
    public void Rows_of_zeros_stay_zero_and_rows_that_are_not_there_are_zero()
    {
        const float Step = 0.25f / 63; // between values; a codebook need not have a 0
        foreach (Packing packing in new[] { Packing.E4Group32, Packing.E4Group16, Packing.E8Group32 })
        {
            var layout = new PackedLayout(packing, 64);
            byte[] group = new byte[layout.GroupBytes];
            float[] weights = new float[3 * 64];
            weights[64 + 5] = 0.25f; // row 1 has one weight
            weights[128] = 1e-42f;   // row 2: too small for a scale
            new GroupPacker(layout, Codebook.Normal).Pack(weights, group);
            float[] row = new float[64];
            fixed (byte* data = group)
            {
                fixed (float* start = row)
                {
                    for (int r = 0; r < 8; r++)
                    {
                        new WeightMatrix(data, layout, Codebook.Normal.Vector, 8).RowToFloat(r, start);
                        for (int c = 0; c < 64; c++)
                        {
                            if (r == 1) Assert.InRange(row[c], weights[64 + c] - Step, weights[64 + c] + Step);
                            else Assert.Equal(0, row[c]);
                        }
                    }
                }
            }
        }
    }

    [Fact]
    public void A_learned_codebook_is_better_where_weights_are_not_normal()
    {
        float[] weights = Normal(32 * 512, 3);
        foreach (ref float weight in weights.AsSpan()) weight *= weight * weight; // long tails
        Codebook learned = Codebook.Learn(weights, 32);
        Assert.True(Error(learned, weights) < 0.9 * Error(Codebook.Normal, weights));
        Assert.Equal(63, Enumerable.Range(0, 16).Max(code => Math.Abs((int)learned.Vector[code])));
    }

    private static double Error(Codebook codebook, float[] weights)
    {
        double error = 0;
        for (int start = 0; start < weights.Length; start += 32)
        {
            float scale = codebook.FindScale(weights.AsSpan(start, 32));
            foreach (float x in weights.AsSpan(start, 32)) error += Math.Pow(x - scale * codebook.Vector[codebook.Code(x / scale)], 2);
        }
        return error;
    }

    private static float[] Normal(int count, int seed)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count)
            .Select(_ => (float)(Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble())))];
    }
}
