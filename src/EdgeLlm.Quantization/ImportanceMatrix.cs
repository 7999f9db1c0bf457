using System.Buffers.Binary;
using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using System.Text;
using EdgeLlm.Files;
using EdgeLlm.Gguf;
using EdgeLlm.Kernels.Formats;

namespace EdgeLlm.Quantization;

/// <summary>
/// How large the inputs of each matrix are on a calibration text: the mean square of every column's input. Files are llama.cpp's
/// ("imatrix", tools/imatrix of llama.cpp): the GGUF form with sums and counts, read and written, and the older binary one, read.
/// </summary>
internal sealed class ImportanceMatrix
{
    private const string SumSuffix = ".in_sum2";
    private const string CountSuffix = ".counts";
    private const int MostNameBytes = 1024;

    private readonly Dictionary<string, float[]> _means = new(StringComparer.Ordinal);

    private ImportanceMatrix(string name, string dataset, int chunks, int chunkTokens) =>
        (Name, Dataset, Chunks, ChunkTokens) = (name, dataset, chunks, chunkTokens);

    /// <param name="means">By the matrix' name: [columns].</param>
    public ImportanceMatrix(string name, string dataset, int chunks, int chunkTokens, IReadOnlyDictionary<string, float[]> means)
        : this(name, dataset, chunks, chunkTokens)
    {
        foreach ((string tensor, float[] mean) in means) _means.Add(tensor, mean);
    }

    /// <summary>The file that it is from, or what else made it.</summary>
    public string Name { get; }

    /// <summary>The text that it was made with.</summary>
    public string Dataset { get; }

    /// <summary>Windows of that text.</summary>
    public int Chunks { get; }

    /// <summary>Tokens of a window; 0 where a file does not say.</summary>
    public int ChunkTokens { get; }

    /// <summary>Matrices that it has.</summary>
    public int Count => _means.Count;

    /// <summary>[columns], or null where it says nothing about a matrix.</summary>
    public float[]? Of(string tensor) => _means.GetValueOrDefault(tensor);

    /// <exception cref="ModelException">It was made for a matrix of other columns.</exception>
    public void RequireFit(GgufTensor tensor)
    {
        if (Of(tensor.Name) is { } means && means.Length != tensor.Columns)
            throw new ModelException(Name,
                $"has {means.Length} columns for tensor {tensor.Name}, which has {tensor.Columns}: it is another model's");
    }

    /// <summary>Reads a file of either form.</summary>
    /// <exception cref="InvalidDataException">It is neither, or damaged.</exception>
    /// <exception cref="GgufException">It is a damaged GGUF file.</exception>
    public static ImportanceMatrix Read(string path)
    {
        using FileStream stream = InputFile.Open(path);
        Span<byte> magic = stackalloc byte[sizeof(uint)];
        bool isGguf = stream.ReadAtLeast(magic, magic.Length, throwOnEndOfStream: false) == magic.Length
            && BinaryPrimitives.ReadUInt32LittleEndian(magic) == GgufRules.Magic;
        stream.Position = 0;
        ImportanceMatrix result = isGguf ? ReadGguf(path) : ReadBinary(path, stream);
        if (result.Count == 0) throw Damaged(path, "has no matrices");
        return result;
    }

    /// <summary>Writes the GGUF form.</summary>
    public void Write(string path)
    {
        var writer = new GgufWriter();
        writer.Set("general.type", GgufValue.Of("imatrix"));
        writer.Set("imatrix.datasets", GgufValue.OfArray([Dataset]));
        writer.Set("imatrix.chunk_count", GgufValue.Of((uint)Chunks));
        writer.Set("imatrix.chunk_size", GgufValue.Of((uint)ChunkTokens));
        float tokens = (float)Chunks * ChunkTokens;
        foreach ((string tensor, float[] means) in _means.OrderBy(entry => entry.Key, StringComparer.Ordinal))
        {
            writer.SetTensor(tensor + SumSuffix, [means.Length, 1], ElementType.F32, output =>
            {
                float[] sums = new float[means.Length];
                TensorPrimitives.Multiply(means, tokens, sums);
                output.Write(MemoryMarshal.AsBytes<float>(sums));
            });
            writer.SetTensor(tensor + CountSuffix, [1, 1], ElementType.F32, output => output.Write(MemoryMarshal.AsBytes<float>([tokens])));
        }
        writer.Save(path);
    }

    private static ImportanceMatrix ReadGguf(string path)
    {
        using GgufFile file = GgufFile.Open(path);
        if (file.Metadata.GetString("general.type", null) != "imatrix")
            throw Damaged(path, "is a GGUF file, but no importance matrix (key general.type)");
        string dataset = file.Metadata.TryGet("imatrix.datasets", out GgufValue? value)
            && value.TryGetStringArray(out GgufStringArray? names) ? string.Join(", ", names) : "";
        var result = new ImportanceMatrix(path, dataset, file.Metadata.GetInt32("imatrix.chunk_count", 0),
            file.Metadata.GetInt32("imatrix.chunk_size", 0));
        foreach (GgufTensor sums in file.Tensors.Where(tensor => tensor.Name.EndsWith(SumSuffix, StringComparison.Ordinal)))
        {
            string tensor = sums.Name[..^SumSuffix.Length];
            GgufTensor counts = file.FindTensor(tensor + CountSuffix) ?? throw Damaged(path, $"has no counts for tensor {tensor}");
            if (sums.Type != ElementType.F32 || counts.Type != ElementType.F32 || counts.Columns * counts.Rows != sums.Rows
                || sums.ByteCount > int.MaxValue)
                throw Damaged(path, $"tensor {sums.Name}: sums and counts do not belong together");
            float[] means = MemoryMarshal.Cast<byte, float>(file.Bytes(sums, 0, (int)sums.ByteCount)).ToArray();
            ReadOnlySpan<float> count = MemoryMarshal.Cast<byte, float>(file.Bytes(counts, 0, (int)counts.ByteCount));
            for (int i = 0; i < means.Length; i++)
            {
                float tokens = count[(int)(i / sums.Columns)];
                means[i] = tokens > 0 ? means[i] / tokens : 1; // an expert that no token went to: all alike
            }
            result.Add(path, tensor, means);
        }
        return result;
    }

    // int32 matrices; each: int32 length, name, int32 calls, int32 values, floats (sums of means, one a call); then int32 windows, int32
    // length, text's name.
    private static ImportanceMatrix ReadBinary(string path, FileStream stream)
    {
        using var reader = new BinaryReader(stream, Encoding.UTF8);
        try
        {
            int count = reader.ReadInt32();
            if (count is < 1 or > GgufRules.MaximumTensors)
                throw Damaged(path, "is no importance matrix, neither a GGUF file nor llama.cpp's older form");
            var means = new List<(string Tensor, float[] Means)>();
            while (means.Count < count)
            {
                string tensor = ReadName(path, reader);
                int calls = reader.ReadInt32(), values = reader.ReadInt32();
                if (values < 1 || values > (stream.Length - stream.Position) / sizeof(float))
                    throw Damaged(path, $"tensor {tensor}: {values} values are not in the file");
                float[] mean = new float[values];
                stream.ReadExactly(MemoryMarshal.AsBytes(mean.AsSpan()));
                if (calls > 0) TensorPrimitives.Divide(mean, calls, mean);
                means.Add((tensor, mean));
            }
            bool hasText = stream.Position < stream.Length; // the oldest files end here
            int chunks = hasText ? reader.ReadInt32() : 0;
            var result = new ImportanceMatrix(path, hasText ? ReadName(path, reader) : "", chunks, chunkTokens: 0);
            foreach ((string tensor, float[] mean) in means) result.Add(path, tensor, mean);
            return result;
        }
        catch (EndOfStreamException)
        {
            throw Damaged(path, "ends too early");
        }
    }

    private static string ReadName(string path, BinaryReader reader)
    {
        int length = reader.ReadInt32();
        if (length is < 0 or > MostNameBytes) throw Damaged(path, $"has a name of {length} bytes");
        byte[] name = reader.ReadBytes(length);
        return name.Length == length ? Encoding.UTF8.GetString(name) : throw Damaged(path, "ends too early");
    }

    private void Add(string path, string tensor, float[] means)
    {
        foreach (float mean in means)
        {
            if (!float.IsFinite(mean) || mean < 0) throw Damaged(path, $"tensor {tensor} has a mean square that is negative or not finite");
        }
        if (!_means.TryAdd(tensor, means)) throw Damaged(path, $"has tensor {tensor} twice");
    }

    private static InvalidDataException Damaged(string path, string problem) => new(Printable.Line($"{path}: {problem}"));
}
