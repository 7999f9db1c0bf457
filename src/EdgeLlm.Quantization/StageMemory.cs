namespace EdgeLlm.Quantization;

/// <summary>The memory of a long work's stages, whose arrays are as large as the largest matrix.</summary>
internal static class StageMemory
{
    /// <summary>
    /// Returns freed memory to the system between stages (a blocking, compacting collection): otherwise the peak is the sum of two stages.
    /// </summary>
    public static void Return() => GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
}
