using EdgeLlm.Gguf;
using EdgeLlm.Models.Spec;

namespace EdgeLlm.Models.Adapters;

/// <summary>
/// A LoRA adapter (a PEFT folder, or a GGUF file as llama.cpp's converter writes it), fitted to an open model. The model's weights stay as
/// they are: a sequence that uses it has scale * B(Ax) added to the model's products.
/// </summary>
public sealed class Adapter : IDisposable
{
    private readonly IDisposable _file;
    private readonly AdapterMemory _memory;
    private readonly Dictionary<(TensorRole Role, int Layer), TensorChange> _changes;

    internal Adapter(string path, AdapterReader reader, IDisposable file)
    {
        (Path, _file, _memory, _changes) = (path, file, reader.Memory, reader.Changes);
        Name = StoredModel.NameOf(path.TrimEnd(System.IO.Path.DirectorySeparatorChar));
        (BaseModel, Rank, OnlyWhole, Notes, Identity) = (reader.BaseModel, reader.Rank, reader.OnlyWhole, reader.Notes, reader.Identity);
    }

    /// <summary>The file or folder.</summary>
    public string Path { get; }

    /// <summary>Name: the file's or folder's.</summary>
    public string Name { get; }

    /// <summary>The model that it was trained on, as its file says; null: the file does not say.</summary>
    public string? BaseModel { get; }

    /// <summary>Largest rank of its changes; 0: it only replaces tensors.</summary>
    public int Rank { get; }

    /// <summary>Notes on parts of the files that are not used or look wrong, a line each.</summary>
    public IReadOnlyList<string> Notes { get; internal set; }

    /// <summary>The chat template in its folder; null: there is none.</summary>
    public string? ChatTemplate { get; internal set; }

    /// <summary>Bytes of memory that it takes beside its file's map.</summary>
    public long Bytes => _memory.Bytes;

    /// <summary>Why it can only be used with a scale of 1 (`use_dora`, a tensor that is replaced); null: it can be scaled.</summary>
    public string? OnlyWhole { get; }

    /// <summary>SHA-256 of its content [32]: of its numbers and of what says how they are used.</summary>
    public ReadOnlyMemory<byte> Identity { get; }

    internal IReadOnlyDictionary<(TensorRole Role, int Layer), TensorChange> Changes => _changes;

    /// <summary>Opens an adapter for a model.</summary>
    /// <param name="canChange">Whether a tensor can be changed; the others are refused.</param>
    /// <exception cref="ModelException">It is none, damaged, of another kind or for another model; the message names the field or
    /// tensor.</exception>
    internal static Adapter Open(string path, GgufFile model, ModelSpec spec, Func<TensorUse, bool> canChange)
    {
        var reader = new AdapterReader(model, spec, canChange);
        IDisposable? file = null;
        try
        {
            file = Directory.Exists(path) ? reader.ReadFolder(path) : reader.ReadFile(path);
            return new Adapter(path, reader, file);
        }
        catch
        {
            reader.Memory.Dispose();
            reader.Opened?.Dispose();
            file?.Dispose();
            throw;
        }
    }

    /// <summary>Whether a path looks like an adapter: a folder with adapter_config.json, or a GGUF file that says so.</summary>
    internal static bool IsAdapter(string path)
    {
        if (Directory.Exists(path)) return File.Exists(System.IO.Path.Combine(path, AdapterConfig.FileName));
        try
        {
            using GgufFile file = GgufFile.Open(path);
            return file.Metadata.GetString("general.type", null) == "adapter";
        }
        catch (Exception exception) when (exception is GgufException or ModelException or IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    /// <summary>Gives its memory back: only its model does, as answers may use it until then.</summary>
    void IDisposable.Dispose()
    {
        _memory.Dispose();
        _file.Dispose();
    }
}
