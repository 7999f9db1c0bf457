namespace EdgeLlm.Models;

/// <summary>
/// The default model: a file beside the program, where a reference to EdgeLlm.DefaultModel puts it, so that it can be mapped.
/// </summary>
internal static class DefaultModelFile
{
    /// <summary>The file's name beside the program.</summary>
    public const string Name = "default-model.gguf";

    /// <summary>Name of the model in it.</summary>
    public const string ModelName = "SmolLM2-135M-Instruct";

    /// <summary>The full path, or null where the program has none.</summary>
    public static string? Path
    {
        get
        {
            string path = System.IO.Path.Combine(AppContext.BaseDirectory, Name);
            return File.Exists(path) ? path : null;
        }
    }
}
