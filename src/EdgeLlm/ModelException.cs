namespace EdgeLlm;

/// <summary>
/// A file is a GGUF file, but not a model that can run here: an unknown architecture, a tensor that is missing or has the wrong shape.
/// </summary>
public sealed class ModelException(string file, string problem) : Exception(Printable.Line($"{file}: {problem}"))
{
    /// <summary>The model's path.</summary>
    public string File { get; } = file;

    /// <summary>The message without the path.</summary>
    public string Problem { get; } = problem;

    /// <summary>Whether the model would run if other programs, or other models, left more memory.</summary>
    public bool LacksMemory { get; init; }
}
