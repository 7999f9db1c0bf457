using EdgeLlm.Models;

namespace EdgeLlm.Extensions.AI;

/// <summary>Settings of <see cref="EdgeLlmServices.AddEdgeLlm"/>. A section of a configuration binds to it.</summary>
public sealed class EdgeLlmOptions
{
    /// <summary>
    /// A GGUF file's path, or a name of <see cref="ModelStore"/>; null: the default model, which a reference to EdgeLlm.DefaultModel
    /// brings.
    /// </summary>
    public string? Model { get; set; }

    /// <summary>
    /// How the model is opened. Set <see cref="Models.ModelOptions.Contexts"/> to 2 where both chat and embeddings are used, so that the
    /// memory plan counts a context for each.
    /// </summary>
    public ModelOptions ModelOptions { get; set; } = new();

    /// <summary>Whether a host opens the model when it starts, so that a wrong setting ends it there; else the first use does.</summary>
    public bool LoadAtStart { get; set; } = true;
}
