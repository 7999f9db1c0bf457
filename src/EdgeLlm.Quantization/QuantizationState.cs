using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Security.Cryptography;
using System.Text;
using EdgeLlm.Files;
using EdgeLlm.Gguf;
using EdgeLlm.Kernels.Formats;
using EdgeLlm.Quantization.Rounding;

namespace EdgeLlm.Quantization;

/// <summary>
/// The file beside an output in which finished layers wait, so that a run that was cut short continues after the last of them. It begins
/// with 40 bytes that tell what is being made; then, a layer after the other: its length, its norms and matrices and a hash. What is cut
/// short or damaged is not read.
/// </summary>
internal sealed class QuantizationState : IDisposable
{
    private const int IdentityBytes = 32;
    private const int MostHeaderBytes = 1 << 20;

    private static ReadOnlySpan<byte> Mark => "EDGELLMQ"u8;

    private readonly FileStream _file;

    private QuantizationState(FileStream file) => _file = file;

    /// <summary>The finished layers, from the first on; embedding and head come last.</summary>
    public List<QuantizedLayer> Layers { get; } = [];

    /// <param name="identity">32 bytes: a hash of source and settings. A file of another run is begun anew.</param>
    /// <exception cref="FileException">It can't be opened, another process has it open, or it is not such a file.</exception>
    public static QuantizationState Open(string path, ReadOnlySpan<byte> identity)
    {
        var state = new QuantizationState(UnfinishedFile.Open(path, Mark, identity[..IdentityBytes]));
        long end = state._file.Position;
        while (state.ReadLayer(end) is { } next) end = next;
        state._file.SetLength(end);
        state._file.Position = end;
        return state;
    }

    /// <summary>Adds the next layer; when this returns it is on the disk. The matrices come back as those in the file.</summary>
    public QuantizedLayer Append(QuantizedLayer layer)
    {
        long start = _file.Position;
        byte[] header = Encode(layer);
        Span<byte> length = stackalloc byte[sizeof(int)];
        BinaryPrimitives.WriteInt32LittleEndian(length, header.Length);
        using var hash = SHA256.Create();
        using (var hashed = new CryptoStream(_file, hash, CryptoStreamMode.Write, leaveOpen: true))
        {
            hashed.Write(length);
            hashed.Write(header);
            foreach (PackedMatrix matrix in layer.Matrices) matrix.Write(hashed);
        }
        _file.Write(hash.Hash!);
        _file.Flush(flushToDisk: true);
        long end = _file.Position;
        ReadLayer(start);
        _file.Position = end;
        return Layers[^1];
    }

    public void Dispose() => _file.Dispose();

    private static byte[] Encode(QuantizedLayer layer)
    {
        var header = new MemoryStream();
        using var writer = new BinaryWriter(header, Encoding.UTF8);
        writer.Write(layer.Norms?.Count ?? -1);
        foreach ((string name, float[] norm) in layer.Norms ?? new Dictionary<string, float[]>())
        {
            writer.Write(name);
            writer.Write(norm.Length);
            writer.Write(MemoryMarshal.AsBytes<float>(norm));
        }
        writer.Write(layer.Matrices.Count);
        foreach (PackedMatrix matrix in layer.Matrices)
        {
            PackedTensor tensor = matrix.Tensor;
            writer.Write(tensor.Name);
            writer.Write((int)tensor.Packing);
            writer.Write(tensor.Rows);
            writer.Write(tensor.Columns);
            writer.Write(tensor.IsRotated);
            for (int code = 0; code < PackedLayout.FiveBitCodes; code++) writer.Write(tensor.Codebook.GetElement(code));
        }
        writer.Flush();
        return header.ToArray();
    }

    /// <summary>Reads a layer; null where there is no whole one, else where the next one begins.</summary>
    private long? ReadLayer(long start)
    {
        _file.Position = start;
        Span<byte> prefix = stackalloc byte[sizeof(int)];
        if (_file.ReadAtLeast(prefix, prefix.Length, throwOnEndOfStream: false) < prefix.Length) return null;
        int headerBytes = BinaryPrimitives.ReadInt32LittleEndian(prefix);
        if (headerBytes is < sizeof(int) or > MostHeaderBytes || headerBytes > _file.Length - _file.Position) return null;
        byte[] header = new byte[headerBytes];
        _file.ReadExactly(header);
        if (Decode(header, _file.Position) is not { } layer) return null;
        long end = _file.Position + layer.Matrices.Sum(matrix => matrix.Tensor.ByteCount);
        if (end + TrailingHash.ByteCount > _file.Length) return null;
        if (!TrailingHash.Matches(_file, start, end)) return null;
        Layers.Add(layer);
        return end + TrailingHash.ByteCount;
    }

    private QuantizedLayer? Decode(byte[] header, long offset)
    {
        try
        {
            using var reader = new BinaryReader(new MemoryStream(header), Encoding.UTF8);
            int normCount = reader.ReadInt32();
            Dictionary<string, float[]>? norms = normCount < 0 ? null : [];
            while (norms?.Count < normCount) norms.Add(reader.ReadString(), ReadNorm());
            var matrices = new List<PackedMatrix>();
            for (int count = reader.ReadInt32(); matrices.Count < count;)
            {
                string name = reader.ReadString();
                var packing = (Packing)reader.ReadInt32();
                int rows = reader.ReadInt32(), columns = reader.ReadInt32();
                bool isRotated = reader.ReadBoolean();
                var codebook = Vector256.Create<sbyte>(MemoryMarshal.Cast<byte, sbyte>(reader.ReadBytes(PackedLayout.FiveBitCodes)));
                if (!Enum.IsDefined(packing) || rows < 1 || columns < 1) return null;
                matrices.Add(new PackedMatrix(new PackedTensor(name, packing, rows, columns, codebook) { IsRotated = isRotated },
                    _file.SafeFileHandle, offset));
                offset += matrices[^1].Tensor.ByteCount;
            }
            return new QuantizedLayer(matrices, norms);

            float[] ReadNorm()
            {
                int width = reader.ReadInt32();
                byte[] bytes = reader.ReadBytes(checked(width * sizeof(float)));
                return bytes.Length == width * sizeof(float) ? MemoryMarshal.Cast<byte, float>(bytes).ToArray()
                    : throw new EndOfStreamException();
            }
        }
        catch (Exception exception) when (exception is EndOfStreamException or ArgumentException or OverflowException)
        {
            return null;
        }
    }
}

/// <summary>Result of quantizing a layer.</summary>
/// <param name="Matrices">Those that are packed.</param>
/// <param name="Norms">Its norms for these matrices, by their tensors' names; null where it is not a layer (embedding and head).</param>
internal sealed record QuantizedLayer(IReadOnlyList<PackedMatrix> Matrices, IReadOnlyDictionary<string, float[]>? Norms);
