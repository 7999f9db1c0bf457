namespace EdgeLlm.DefaultModel;

/// <summary>Where the default model lies: a file beside the program, so that it can be mapped.</summary>
public static class DefaultModelFile
{
    /// <summary>The file's name beside the program.</summary>
    public const string Name = "default-model.gguf";

    /// <summary>What the model in it is called.</summary>
    public const string ModelName = "SmolLM2-135M-Instruct";

    /// <summary>The full path of the default model, or null where this build has none.</summary>
    public static string? Path
    {
        get
        {
            string path = System.IO.Path.Combine(AppContext.BaseDirectory, Name);
            return File.Exists(path) ? path : null;
        }
    }
}
