using System.Buffers.Binary;
using System.Text;

namespace EdgeLlm.Tests;

/// <summary>An entry of a zip archive that a test writes; what its directory says may differ from what is there.</summary>
internal sealed record ZipEntry(string Name, byte[] Data)
{
    public ushort Method { get; init; }
    public ushort Flags { get; init; }
    public uint? PackedSize { get; init; }
    public uint? Size { get; init; }
    public uint? Start { get; init; }
    public string? LocalName { get; init; }

    /// <summary>Whether its sizes and place are in the extra field for large archives.</summary>
    public bool IsLarge { get; init; }
}

/// <summary>A tensor of a torch file that a test writes.</summary>
/// <param name="Storage">The class of its storage, such as `FloatStorage`.</param>
internal sealed record TorchEntry(string Name, string Storage, long[] Shape, byte[] Data)
{
    /// <summary>Another tensor's storage, by its number.</summary>
    public int? SharedWith { get; init; }
    public long Offset { get; init; }
    public long[]? Strides { get; init; }
    public long? Count { get; init; }
}

/// <summary>Files as torch.save writes them since version 1.6: a zip archive of a pickle and of storages.</summary>
internal static class TorchFile
{
    public const string Rebuild = "torch._utils\n_rebuild_tensor_v2\n";

    public static byte[] Write(params IReadOnlyList<TorchEntry> tensors) => Zip([.. Entries(tensors)]);

    /// <summary>The archive's entries: the pickle, the order of bytes, and each storage.</summary>
    public static IEnumerable<ZipEntry> Entries(IReadOnlyList<TorchEntry> tensors)
    {
        yield return new ZipEntry("archive/data.pkl", Pickle(tensors));
        yield return new ZipEntry("archive/byteorder", "little"u8.ToArray());
        for (int i = 0; i < tensors.Count; i++)
        {
            if (tensors[i].SharedWith is null) yield return new ZipEntry($"archive/data/{i}", tensors[i].Data);
        }
        yield return new ZipEntry("archive/version", "3\n"u8.ToArray());
    }

    public static byte[] Pickle(IReadOnlyList<TorchEntry> tensors)
    {
        var pickle = new MemoryStream();
        pickle.Write([0x80, 2, (byte)'}', (byte)'q', 0, (byte)'(']);
        for (int i = 0; i < tensors.Count; i++)
        {
            TorchEntry tensor = tensors[i];
            int size = tensor.Storage is "FloatStorage" or "IntStorage" ? 4 : tensor.Storage is "DoubleStorage" or "LongStorage" ? 8 : 2;
            Text(tensor.Name);
            Line("c" + Rebuild);
            pickle.WriteByte((byte)'(');
            pickle.WriteByte((byte)'(');
            Text("storage");
            Line($"ctorch\n{tensor.Storage}\n");
            Text($"{tensor.SharedWith ?? i}");
            Text("cpu");
            Number(tensor.Count ?? tensors[tensor.SharedWith ?? i].Data.Length / size);
            pickle.Write("tQ"u8);
            Number(tensor.Offset);
            Tuple(tensor.Shape);
            Tuple(tensor.Strides ?? Rows(tensor.Shape));
            pickle.WriteByte(0x89);
            Line("ccollections\nOrderedDict\n");
            pickle.Write(")RtR"u8);
        }
        pickle.Write("u."u8);
        return pickle.ToArray();

        void Line(string text) => pickle.Write(Encoding.UTF8.GetBytes(text));

        void Text(string text)
        {
            byte[] utf8 = Encoding.UTF8.GetBytes(text);
            pickle.WriteByte((byte)'X');
            pickle.Write(BitConverter.GetBytes(utf8.Length));
            pickle.Write(utf8);
        }

        void Number(long number)
        {
            pickle.Write([0x8A, 8]);
            pickle.Write(BitConverter.GetBytes(number));
        }

        void Tuple(long[] numbers)
        {
            pickle.WriteByte((byte)'(');
            foreach (long number in numbers) Number(number);
            pickle.WriteByte((byte)'t');
        }
    }

    public static byte[] Zip(params IReadOnlyList<ZipEntry> entries)
    {
        var file = new MemoryStream();
        var directory = new MemoryStream();
        foreach (ZipEntry entry in entries)
        {
            byte[] name = Encoding.UTF8.GetBytes(entry.Name), localName = Encoding.UTF8.GetBytes(entry.LocalName ?? entry.Name);
            uint start = entry.Start ?? (uint)file.Position;
            // Padded to 64 bytes by an extra field, as torch does it.
            int padding = (int)((64 - (file.Position + 30 + localName.Length + 4) % 64) % 64);
            byte[] local = new byte[30];
            BinaryPrimitives.WriteUInt32LittleEndian(local, 0x04034B50);
            BinaryPrimitives.WriteUInt16LittleEndian(local.AsSpan(26), (ushort)localName.Length);
            BinaryPrimitives.WriteUInt16LittleEndian(local.AsSpan(28), (ushort)(4 + padding));
            file.Write([.. local, .. localName, .. "FB"u8, (byte)padding, 0, .. new byte[padding], .. entry.Data]);

            uint packed = entry.PackedSize ?? (uint)entry.Data.Length, size = entry.Size ?? (uint)entry.Data.Length;
            byte[] large = entry.IsLarge
                ? [1, 0, 24, 0, .. BitConverter.GetBytes((long)size), .. BitConverter.GetBytes((long)packed),
                    .. BitConverter.GetBytes((long)start)] : [];
            byte[] record = new byte[46];
            BinaryPrimitives.WriteUInt32LittleEndian(record, 0x02014B50);
            BinaryPrimitives.WriteUInt16LittleEndian(record.AsSpan(8), entry.Flags);
            BinaryPrimitives.WriteUInt16LittleEndian(record.AsSpan(10), entry.Method);
            BinaryPrimitives.WriteUInt32LittleEndian(record.AsSpan(20), entry.IsLarge ? uint.MaxValue : packed);
            BinaryPrimitives.WriteUInt32LittleEndian(record.AsSpan(24), entry.IsLarge ? uint.MaxValue : size);
            BinaryPrimitives.WriteUInt16LittleEndian(record.AsSpan(28), (ushort)name.Length);
            BinaryPrimitives.WriteUInt16LittleEndian(record.AsSpan(30), (ushort)large.Length);
            BinaryPrimitives.WriteUInt32LittleEndian(record.AsSpan(42), entry.IsLarge ? uint.MaxValue : start);
            directory.Write([.. record, .. name, .. large]);
        }
        long place = file.Position, length = directory.Length;
        file.Write(directory.ToArray());
        bool isLarge = entries.Any(entry => entry.IsLarge);
        if (isLarge)
        {
            byte[] end64 = new byte[56];
            BinaryPrimitives.WriteUInt32LittleEndian(end64, 0x06064B50);
            BinaryPrimitives.WriteInt64LittleEndian(end64.AsSpan(32), entries.Count);
            BinaryPrimitives.WriteInt64LittleEndian(end64.AsSpan(40), length);
            BinaryPrimitives.WriteInt64LittleEndian(end64.AsSpan(48), place);
            byte[] locator = new byte[20];
            BinaryPrimitives.WriteUInt32LittleEndian(locator, 0x07064B50);
            BinaryPrimitives.WriteInt64LittleEndian(locator.AsSpan(8), file.Position);
            file.Write([.. end64, .. locator]);
        }
        byte[] end = new byte[22];
        BinaryPrimitives.WriteUInt32LittleEndian(end, 0x06054B50);
        BinaryPrimitives.WriteUInt16LittleEndian(end.AsSpan(10), isLarge ? ushort.MaxValue : (ushort)entries.Count);
        BinaryPrimitives.WriteUInt32LittleEndian(end.AsSpan(12), isLarge ? uint.MaxValue : (uint)length);
        BinaryPrimitives.WriteUInt32LittleEndian(end.AsSpan(16), isLarge ? uint.MaxValue : (uint)place);
        file.Write(end);
        return file.ToArray();
    }

    private static long[] Rows(long[] shape)
    {
        long[] strides = new long[shape.Length];
        long stride = 1;
        for (int i = shape.Length - 1; i >= 0; i--) (strides[i], stride) = (stride, stride * shape[i]);
        return strides;
    }
}
