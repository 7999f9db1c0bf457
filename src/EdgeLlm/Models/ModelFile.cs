using EdgeLlm.Gguf;
using EdgeLlm.Models.Folders;

namespace EdgeLlm.Models;

/// <summary>Opens a model: a GGUF file, or a Hugging Face folder as if it were one.</summary>
internal static class ModelFile
{
    /// <exception cref="ModelException">It is a folder that has no model, or one that does not run as it is.</exception>
    /// <exception cref="GgufException">It is not a GGUF file, or a damaged one.</exception>
    /// <exception cref="IOException">It can't be read.</exception>
    public static GgufFile Open(string path) => Directory.Exists(path) ? FolderModel.Map(path) : GgufFile.Open(path);
}
