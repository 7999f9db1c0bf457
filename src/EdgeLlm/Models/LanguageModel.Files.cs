using EdgeLlm.Files;
using EdgeLlm.Gguf;

namespace EdgeLlm.Models;

public sealed unsafe partial class LanguageModel
{
    /// <summary>Whether none of its files was written to since it was opened; looked at before each pass.</summary>
    internal bool IsUnchanged
    {
        get
        {
            for (int i = 0; i < _file.Maps.Count; i++)
            {
                if (!_file.Maps[i].IsUnchanged) return false;
            }
            return true;
        }
    }

    /// <summary>Whether other files than those that are open have their names now. One that has gone leaves the model as it is.</summary>
    internal bool IsReplaced
    {
        get
        {
            foreach (MappedFile map in _file.Maps)
            {
                if (map.Stamp is { } open && FileStatus.Of(map.Path)?.Stamp is { } named
                    && (open.Device, open.Inode) != (named.Device, named.Inode))
                    return true;
            }
            return false;
        }
    }
}
