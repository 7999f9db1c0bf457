namespace EdgeLlm.Server.Engine;

/// <summary>Whether the engine takes requests.</summary>
internal enum EngineState
{
    /// <summary>The model is not mapped yet, or its first token not computed.</summary>
    Loading,

    /// <summary>It takes requests.</summary>
    Ready,

    /// <summary>It ends what runs and takes nothing new.</summary>
    Stopping,
}
