using System.Runtime.InteropServices;
using EdgeLlm.Files;
using EdgeLlm.Gguf;
using EdgeLlm.Kernels.Formats;
using EdgeLlm.Models.Folders;
using EdgeLlm.Models.Spec;

namespace EdgeLlm.Quantization.Import;

/// <summary>
/// A model in a Hugging Face folder, checked as a whole when it is opened, and written as a GGUF file with the same weights to the bit.
/// </summary>
internal sealed class HuggingFaceModel : IDisposable
{
    private readonly FolderModel _model;

    private HuggingFaceModel(FolderModel model) => _model = model;

    /// <summary>Bytes of the tensors that are written.</summary>
    public long ByteCount => _model.Tensors.Sum(tensor => tensor.ByteCount);

    /// <summary>Notes on parts of the folder that can't be kept, a line each.</summary>
    public IReadOnlyList<string> Notes => _model.Notes;

    /// <exception cref="ModelException">A file of the folder is missing, damaged or not understood; the message names it, and the field or
    /// tensor.</exception>
    /// <exception cref="IOException">A file can't be read.</exception>
    public static HuggingFaceModel Open(string folder) => new(FolderModel.Open(folder, runsAsItIs: false));

    /// <summary>
    /// Writes the GGUF file. Its time is that of the newest file with weights, so that the same folder makes the same file.
    /// </summary>
    /// <param name="advance">Receives the bytes written with each step.</param>
    /// <exception cref="ModelException">A weight is not finite. No file is left then.</exception>
    public void Save(string path, Action<long> advance, CancellationToken cancellation) =>
        Save(path, tensor => output => TensorCopy.Write(tensor, output, bytes =>
    {
        cancellation.ThrowIfCancellationRequested();
        advance(bytes);
    }));

    /// <summary>Writes the GGUF file with nothing but a hole where the weights would be: enough to plan with.</summary>
    public void SaveOutline(string path) => Save(path, tensor => output =>
    {
        output.Seek(tensor.ByteCount - 1, SeekOrigin.Current);
        output.WriteByte(0);
    });

    public void Dispose() => _model.Dispose();

    private void Save(string path, Func<ImportedTensor, Action<Stream>> write)
    {
        GgufWriter writer = MakeWriter(write);
        FileStream output = AtomicFile.CreateNew(path, path);
        try
        {
            using (output) writer.Write(output);
            File.SetLastWriteTimeUtc(path, _model.Files.Max(file => File.GetLastWriteTimeUtc(file.Path)));
        }
        catch (Exception exception)
        {
            File.Delete(path);
            if (FileException.IsFromFileSystem(exception)) throw FileException.Writing(path, exception);
            throw;
        }
    }

    private GgufWriter MakeWriter(Func<ImportedTensor, Action<Stream>> write)
    {
        var writer = new GgufWriter();
        foreach ((string key, GgufValue value) in _model.Keys) writer.Set(key, value);
        foreach ((TensorRole role, IReadOnlyList<float> numbers) in _model.RopeTables)
            writer.SetTensor(TensorTable.Name(role), [numbers.Count], ElementType.F32,
                output => output.Write(MemoryMarshal.AsBytes(numbers.ToArray().AsSpan())));
        foreach (ImportedTensor tensor in _model.Tensors) writer.SetTensor(tensor.Target, tensor.Shape, tensor.Type, write(tensor));
        return writer;
    }
}
