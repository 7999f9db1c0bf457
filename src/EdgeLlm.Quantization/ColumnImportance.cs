namespace EdgeLlm.Quantization;

/// <summary>How much errors of each column of a matrix count, run by run, in the integers of <see cref="CodebookSearch"/>.</summary>
internal sealed class ColumnImportance
{
    private const float Smallest = 1e-30f;

    /// <param name="means">Not negative: [columns].</param>
    /// <param name="runColumns">Columns that share a scale.</param>
    public ColumnImportance(ReadOnlySpan<float> means, int runColumns)
    {
        Counts = new short[means.Length];
        Shares = new float[means.Length];
        for (int run = 0; run < means.Length / runColumns; run++)
        {
            float most = 0;
            for (int k = run * runColumns; k < (run + 1) * runColumns; k++) most = MathF.Max(most, means[k]);
            bool isSeen = most >= Smallest; // inputs that were never seen: all alike
            for (int k = run * runColumns; k < (run + 1) * runColumns; k++)
            {
                Shares[k] = isSeen ? means[k] / most : 1;
                Counts[k] = (short)MathF.Round(Shares[k] * CodebookSearch.One);
            }
        }
    }

    /// <summary>In 14 bits of the run's largest: [columns].</summary>
    public short[] Counts { get; }

    /// <summary>Importance by run, scaled so that the run's largest is 1: [columns].</summary>
    public float[] Shares { get; }
}
