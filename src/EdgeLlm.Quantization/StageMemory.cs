namespace EdgeLlm.Quantization;

/// <summary>The memory of a long work's stages, whose arrays are as large as the largest matrix.</summary>
internal static class StageMemory
{
    /// <summary>Gives what the last stage left behind back to the system: the collector would wait for more of it than the next stage takes.</summary>
    public static void Return() => GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
}
