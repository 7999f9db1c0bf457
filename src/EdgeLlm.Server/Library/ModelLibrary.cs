using System.Text.Json;
using EdgeLlm.Files;
using EdgeLlm.Server.Settings;

namespace EdgeLlm.Server.Library;

/// <summary>
/// The folder into which clients' models are put: derived ones, those that are pulled, and files that are uploaded. Each file is written
/// beside its place and renamed to it.
/// </summary>
/// <param name="folder">The folder; made when something is written.</param>
public sealed class ModelLibrary(string folder)
{
    private const string Ending = ".model.json";
    private const int MostBytes = 4 << 20;

    /// <summary>The folder.</summary>
    public string Folder => folder;

    /// <summary>
    /// Fetches a model of Hugging Face into <see cref="Folder"/>, and gives its name; null: this service pulls nothing. An
    /// <see cref="ArgumentException"/> says that the name is wrong.
    /// </summary>
    public Func<string, Action<PullProgress>, CancellationToken, Task<string>>? Pull { get; init; }

    /// <summary>The derived models that can be read, by name.</summary>
    public IEnumerable<(string Name, DerivedModel Model, DateTimeOffset Modified)> Derived()
    {
        if (!Directory.Exists(folder)) yield break;
        foreach (string path in Directory.EnumerateFiles(folder, "*" + Ending).Order(StringComparer.Ordinal))
        {
            DerivedModel? model;
            try
            {
                model = JsonSerializer.Deserialize(InputFile.Read(path, MostBytes), DerivedModelJson.Default.DerivedModel);
                model?.Validate();
            }
            catch (Exception exception)
                when (exception is JsonException or IOException or UnauthorizedAccessException or ArgumentException or InvalidDataException)
            {
                continue; // who asks for it by name is told that it is not there
            }
            if (model is not null)
                yield return (Uri.UnescapeDataString(Path.GetFileName(path)[..^Ending.Length]), model, File.GetLastWriteTimeUtc(path));
        }
    }

    /// <summary>Writes a derived model; of another derived one it takes the parts, so that the other one may go.</summary>
    /// <exception cref="ArgumentException">It or its name is wrong.</exception>
    /// <exception cref="IOException">It can't be written.</exception>
    public void Write(string name, DerivedModel model)
    {
        ArgumentNullException.ThrowIfNull(model);
        if (Derived().FirstOrDefault(one => ServedModel.IsCalled(one.Name, model.From)).Model is { } other) model = model.Over(other);
        model.Validate();
        if (ModelTemplate.IsJinja(model.Template)) ModelTemplate.Check(model.Template!);
        string path = PathOf(name);
        Directory.CreateDirectory(folder);
        string beside = Path.Combine(folder, "." + Path.GetRandomFileName());
        File.WriteAllBytes(beside, JsonSerializer.SerializeToUtf8Bytes(model, DerivedModelJson.Default.DerivedModel));
        File.Move(beside, path, overwrite: true);
    }

    /// <summary>Removes a derived model.</summary>
    /// <returns>Whether there was one of this name.</returns>
    public bool Remove(string name)
    {
        string path = PathOf(name);
        if (!File.Exists(path)) return false;
        DerivedModel? model = Derived().FirstOrDefault(one => ServedModel.IsCalled(one.Name, name)).Model;
        File.Delete(path);
        HashSet<string?> used = [.. Derived().SelectMany(one => one.Model.Adapters).Select(adapter => adapter.Path)]; // by copies of it
        foreach (AdapterEntry adapter in model?.Adapters.Where(adapter => !used.Contains(adapter.Path)) ?? []) RemoveAdapter(adapter.Path);
        return true;
    }

    /// <summary>The file of an upload by the SHA-256 of its content.</summary>
    /// <exception cref="ArgumentException">It is not such a name.</exception>
    public string BlobPath(string digest)
    {
        ArgumentNullException.ThrowIfNull(digest);
        string hex = digest.StartsWith("sha256:", StringComparison.Ordinal)
            || digest.StartsWith("sha256-", StringComparison.Ordinal) ? digest[7..] : "";
        if (hex.Length != 64 || !hex.All(char.IsAsciiHexDigit))
            throw new ArgumentException($"'{digest}' is no digest: sha256: and 64 hexadecimal digits");
        return Path.Combine(folder, "blobs", "sha256-" + hex.ToLowerInvariant());
    }

    /// <summary>Makes an upload a model's file.</summary>
    /// <returns>Its path.</returns>
    /// <exception cref="ArgumentException">There is no such upload.</exception>
    public string Adopt(string digest, string name)
    {
        string blob = BlobPath(digest), path = Path.Combine(folder, Escaped(name) + ".gguf");
        if (!File.Exists(blob)) throw new ArgumentException($"there is no upload {digest}: POST /api/blobs/{digest} sends it first");
        File.Move(blob, path, overwrite: true);
        return path;
    }

    /// <summary>Makes uploads the file or folder of an adapter.</summary>
    /// <param name="files">Digests by file name: one GGUF file, or the files of a PEFT folder.</param>
    /// <param name="name">The model that has it.</param>
    /// <returns>Its path.</returns>
    /// <exception cref="ArgumentException">An upload is missing, or a name can't be that of a file.</exception>
    public string AdoptAdapter(IReadOnlyDictionary<string, string> files, string name)
    {
        foreach ((string file, string digest) in files)
        {
            if (file.Length is 0 or > 100 || file[0] == '.' || !file.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '-' or '_'))
                throw new ArgumentException($"'{Printable.Line(file, 60)}' can't be the name of an adapter's file");
            if (!File.Exists(BlobPath(digest)))
                throw new ArgumentException(
                    $"there is no upload {Printable.Line(digest, 80)}: POST /api/blobs/{Printable.Line(digest, 80)} sends it first");
        }
        string path = Path.Combine(AdapterFolder, $"{Escaped(name)}-{Path.GetRandomFileName()[..6]}");
        Directory.CreateDirectory(AdapterFolder);
        if (files.Count == 1)
        {
            File.Move(BlobPath(files.Values.First()), path += ".gguf");
            return path;
        }
        Directory.CreateDirectory(path);
        foreach ((string file, string digest) in files) File.Move(BlobPath(digest), Path.Combine(path, file));
        return path;
    }

    /// <summary>Removes an adapter that <see cref="AdoptAdapter"/> made; other paths stay.</summary>
    public void RemoveAdapter(string? path)
    {
        if (path is null || Path.GetDirectoryName(path) != AdapterFolder) return;
        if (Directory.Exists(path)) Directory.Delete(path, recursive: true);
        else if (File.Exists(path)) File.Delete(path);
    }

    private string AdapterFolder => Path.Combine(Path.GetFullPath(folder), "adapters");

    private string PathOf(string name) => Path.Combine(folder, Escaped(name) + Ending);

    /// <summary>A name as that of a file: `:latest` is what a name without a tag means.</summary>
    private static string Escaped(string name)
    {
        if (name.EndsWith(":latest", StringComparison.OrdinalIgnoreCase)) name = name[..^":latest".Length];
        bool isName = name.Length is > 0 and <= 160 && name[0] != '.'
            && name.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '-' or '_' or ':' or '/' or '@' or '+');
        return isName ? Uri.EscapeDataString(name)
            : throw new ArgumentException($"'{Printable.Line(name)}' can't be a model's name: letters, digits and . - _ : / are");
    }
}

/// <summary>How far a pull is.</summary>
/// <param name="File">The file at hand.</param>
/// <param name="Digest">Its SHA-256, where the hub says it.</param>
/// <param name="Total">Bytes.</param>
/// <param name="Completed">Bytes that are here.</param>
public sealed record PullProgress(string File, string? Digest, long Total, long Completed);
