using System.Buffers.Binary;
using System.Text;
using EdgeLlm.Kernels.Formats;

namespace EdgeLlm.Fuzz.Inputs;

/// <summary>A GGUF file taken apart into its fields, each of which may be wrong. Layout: docs/gguf.md of ggml.</summary>
internal sealed class GgufDocument
{
    private const int PageBytes = 4096;
    private const string PaddingKey = "fuzz.padding";

    public const uint ArrayType = 9, StringType = 8;

    public uint Version { get; set; } = 3;

    /// <summary>What the header says of how many keys and tensors there are; null: the truth.</summary>
    public ulong? KeyCount { get; set; }

    public ulong? TensorCount { get; set; }

    public List<Key> Keys { get; private init; } = [];

    public List<Tensor> Tensors { get; private init; } = [];

    /// <summary>Bytes of a value of a type that has a fixed width.</summary>
    public static int WidthOf(uint type) => type switch
    {
        0 or 1 or 7 => 1,
        2 or 3 => 2,
        4 or 5 or 6 => 4,
        10 or 11 or 12 => 8,
        _ => 0,
    };

    /// <summary>Takes a good file apart.</summary>
    public static GgufDocument Parse(ReadOnlySpan<byte> file)
    {
        var document = new GgufDocument { Version = BinaryPrimitives.ReadUInt32LittleEndian(file[4..]) };
        ulong tensors = BinaryPrimitives.ReadUInt64LittleEndian(file[8..]), keys = BinaryPrimitives.ReadUInt64LittleEndian(file[16..]);
        int position = 24;
        for (; keys > 0; keys--)
        {
            byte[] name = Text(file, ref position);
            uint type = UInt32(file, ref position);
            int start = position;
            Skip(file, type, ref position);
            document.Keys.Add(new Key(name, type, file[start..position].ToArray()));
        }
        var offsets = new List<ulong>();
        for (; tensors > 0; tensors--)
        {
            byte[] name = Text(file, ref position);
            ulong[] shape = new ulong[UInt32(file, ref position)];
            for (int i = 0; i < shape.Length; i++) shape[i] = UInt64(file, ref position);
            document.Tensors.Add(new Tensor { Name = name, Shape = shape, Type = UInt32(file, ref position) });
            offsets.Add(UInt64(file, ref position));
        }
        int dataStart = (int)AlignUp((ulong)position, document.Alignment);
        for (int i = 0; i < offsets.Count; i++)
            document.Tensors[i].Data = file.Slice(dataStart + (int)offsets[i], (int)document.Tensors[i].TrueBytes).ToArray();
        return document;
    }

    public GgufDocument Clone() => new()
    {
        Version = Version,
        Keys = [.. Keys.Select(key => new Key(key.Name, key.Type, key.Value))],
        Tensors =
            [.. Tensors.Select(tensor =>
                new Tensor { Name = tensor.Name, Shape = [.. tensor.Shape], Type = tensor.Type, Data = tensor.Data })],
    };

    public Key? Find(string name) => Keys.Find(key => key.Name.AsSpan().SequenceEqual(Encoding.UTF8.GetBytes(name)));

    /// <summary>
    /// The file. It ends at the end of a page where alignment allows that, so that a read past its last tensor is one past the map.
    /// </summary>
    public byte[] ToArray()
    {
        ulong alignment = Alignment, dataBytes = 0;
        var offsets = new List<ulong>();
        foreach (Tensor tensor in Tensors)
        {
            offsets.Add(AlignUp(dataBytes, alignment));
            dataBytes = offsets[^1] + (ulong)tensor.Data.Length;
        }
        byte[] header = Header(offsets, padding: 0);
        ulong unpadded = AlignUp((ulong)header.Length, alignment);
        header = Header(offsets, (int)((PageBytes - (unpadded + dataBytes) % PageBytes) % PageBytes));
        ulong dataStart = AlignUp((ulong)header.Length, alignment);
        byte[] file = new byte[dataStart + dataBytes];
        header.CopyTo(file, 0);
        for (int i = 0; i < offsets.Count; i++) Tensors[i].Data.CopyTo(file, (int)(dataStart + offsets[i]));
        return file;
    }

    /// <summary>The alignment that the tensors' data gets; one that a mutant only claims does not count.</summary>
    private ulong Alignment =>
        Find("general.alignment") is { Type: 4, Value.Length: 4 } key
            && BinaryPrimitives.ReadUInt32LittleEndian(key.Value) is var value and (8 or 16 or 32 or 64 or 128 or 256) ? value : 32;

    private byte[] Header(List<ulong> offsets, int padding)
    {
        var bytes = new MemoryStream();
        using var writer = new BinaryWriter(bytes);
        writer.Write("GGUF"u8);
        writer.Write(Version);
        writer.Write(TensorCount ?? (ulong)Tensors.Count);
        writer.Write(KeyCount ?? (ulong)Keys.Count + 1);
        Text(Encoding.UTF8.GetBytes(PaddingKey), null);
        writer.Write(StringType);
        Text(Enumerable.Repeat((byte)' ', padding).ToArray(), null);
        foreach (Key key in Keys)
        {
            Text(key.Name, key.NameLength);
            writer.Write(key.Type);
            writer.Write(key.Value);
        }
        for (int i = 0; i < Tensors.Count; i++)
        {
            Tensor tensor = Tensors[i];
            Text(tensor.Name, null);
            writer.Write(tensor.Dimensions ?? (uint)tensor.Shape.Length);
            foreach (ulong dimension in tensor.Shape) writer.Write(dimension);
            writer.Write(tensor.Type);
            writer.Write(tensor.Offset ?? offsets[i]);
        }
        return bytes.ToArray();

        void Text(byte[] text, ulong? length)
        {
            writer.Write(length ?? (ulong)text.Length);
            writer.Write(text);
        }
    }

    private static void Skip(ReadOnlySpan<byte> file, uint type, ref int position)
    {
        if (type == StringType) Text(file, ref position);
        else if (type != ArrayType) position += WidthOf(type);
        else
        {
            uint item = UInt32(file, ref position);
            for (ulong count = UInt64(file, ref position); count > 0; count--) Skip(file, item, ref position);
        }
    }

    private static byte[] Text(ReadOnlySpan<byte> file, ref int position)
    {
        int length = (int)UInt64(file, ref position);
        position += length;
        return file.Slice(position - length, length).ToArray();
    }

    private static uint UInt32(ReadOnlySpan<byte> file, ref int position) =>
        BinaryPrimitives.ReadUInt32LittleEndian(file[((position += 4) - 4)..]);

    private static ulong UInt64(ReadOnlySpan<byte> file, ref int position) =>
        BinaryPrimitives.ReadUInt64LittleEndian(file[((position += 8) - 8)..]);

    private static ulong AlignUp(ulong value, ulong alignment) => (value + alignment - 1) / alignment * alignment;

    /// <param name="name">UTF-8 in a good file.</param>
    /// <param name="type">GGUF's number of the value's type.</param>
    /// <param name="value">The value as the file has it.</param>
    internal sealed class Key(byte[] name, uint type, byte[] value)
    {
        public byte[] Name { get; set; } = name;

        public ulong? NameLength { get; set; }

        public uint Type { get; set; } = type;

        public byte[] Value { get; set; } = value;

        public string Text => Encoding.UTF8.GetString(Name);
    }

    internal sealed class Tensor
    {
        public byte[] Name { get; set; } = [];

        public ulong[] Shape { get; set; } = [];

        /// <summary>What the file says of how many dimensions there are; null: the truth.</summary>
        public uint? Dimensions { get; set; }

        public uint Type { get; set; }

        /// <summary>Where the file says that the data is; null: the truth.</summary>
        public ulong? Offset { get; set; }

        public byte[] Data { get; set; } = [];

        /// <summary>Bytes that shape and type take.</summary>
        public long TrueBytes => ElementFormat.ByteCount((ElementType)Type, (long)Shape.Aggregate(1ul, (product, size) => product * size));
    }
}
