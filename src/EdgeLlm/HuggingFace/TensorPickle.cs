using System.Buffers.Binary;
using System.Text;

namespace EdgeLlm.HuggingFace;

/// <summary>A storage of torch: numbers of one kind in an entry of the archive.</summary>
/// <param name="Kind">By safetensors' name.</param>
internal sealed record TorchStorage(string Kind, string Key, long Count);

/// <summary>A tensor of torch: a part of a storage.</summary>
/// <param name="Offset">In numbers.</param>
internal sealed record TorchTensor(TorchStorage Storage, long Offset, long[] Shape, long[] Strides);

/// <summary>
/// Reads the names and places of tensors out of the pickle of a torch file. A pickle is a program; nothing of it is run here: the few
/// opcodes that such a file consists of build lists, texts and numbers, and of objects only torch's tensors, their storages and an ordered
/// dictionary are known. All else is refused by name. Format: Python's pickletools.py (protocol 2), torch's serialization.py.
/// </summary>
internal sealed class TensorPickle
{
    private const int MostObjects = 2_000_000;
    private const int MostDimensions = 8;
    private const int MostText = 1 << 16;

    private static readonly object Mark = new();
    private static readonly object None = new();

    // Names for messages; of these only the ones of the switch below are understood.
    private static readonly Dictionary<byte, string> OpcodeNames = new()
    {
        [(byte)'0'] = "POP",
        [(byte)'1'] = "POP_MARK",
        [(byte)'2'] = "DUP",
        [(byte)'F'] = "FLOAT",
        [(byte)'G'] = "BINFLOAT",
        [(byte)'I'] = "INT",
        [(byte)'L'] = "LONG",
        [(byte)'P'] = "PERSID",
        [(byte)'S'] = "STRING",
        [(byte)'T'] = "BINSTRING",
        [(byte)'U'] = "SHORT_BINSTRING",
        [(byte)'V'] = "UNICODE",
        [(byte)'d'] = "DICT",
        [(byte)'g'] = "GET",
        [(byte)'i'] = "INST",
        [(byte)'l'] = "LIST",
        [(byte)'o'] = "OBJ",
        [(byte)'p'] = "PUT",
        [0x81] = "NEWOBJ",
        [0x82] = "EXT1",
        [0x83] = "EXT2",
        [0x84] = "EXT4",
        [0x8B] = "LONG4",
        [(byte)'B'] = "BINBYTES",
        [(byte)'C'] = "SHORT_BINBYTES",
        [0x8C] = "SHORT_BINUNICODE",
        [0x8D] = "BINUNICODE8",
        [0x8E] = "BINBYTES8",
        [0x8F] = "EMPTY_SET",
        [0x90] = "ADDITEMS",
        [0x91] = "FROZENSET",
        [0x92] = "NEWOBJ_EX",
        [0x93] = "STACK_GLOBAL",
        [0x94] = "MEMOIZE",
        [0x95] = "FRAME",
        [0x96] = "BYTEARRAY8",
        [0x97] = "NEXT_BUFFER",
        [0x98] = "READONLY_BUFFER",
    };

    private static readonly Dictionary<string, string> StorageKinds = new()
    {
        ["torch FloatStorage"] = "F32",
        ["torch HalfStorage"] = "F16",
        ["torch BFloat16Storage"] = "BF16",
        ["torch DoubleStorage"] = "F64",
        ["torch LongStorage"] = "I64",
        ["torch IntStorage"] = "I32",
        ["torch ShortStorage"] = "I16",
        ["torch CharStorage"] = "I8",
        ["torch ByteStorage"] = "U8",
        ["torch BoolStorage"] = "BOOL",
    };

    private const string OrderedDictionary = "collections OrderedDict", Rebuild = "torch._utils _rebuild_tensor_v2",
        RebuildParameter = "torch._utils _rebuild_parameter";

    private readonly string _file;
    private readonly List<object> _stack = [];
    private readonly Dictionary<uint, object> _memo = [];
    private int _objects;

    private TensorPickle(string file) => _file = file;

    /// <summary>The tensors of a file's dictionary by name, in its order.</summary>
    /// <param name="file">For messages.</param>
    /// <exception cref="ModelException">It is something else than a dictionary of tensors, or damaged.</exception>
    public static List<(string Name, TorchTensor Tensor)> Read(string file, ReadOnlySpan<byte> pickle) =>
        new TensorPickle(file).Read(pickle);

    private List<(string, TorchTensor)> Read(ReadOnlySpan<byte> pickle)
    {
        int position = 0;
        while (true)
        {
            int at = position;
            byte opcode = Take(pickle, ref position, 1)[0];
            switch (opcode)
            {
                case 0x80: // PROTO
                    byte protocol = Take(pickle, ref position, 1)[0];
                    if (protocol != 2) throw Error($"is of pickle's protocol {protocol}; torch writes protocol 2");
                    break;
                case (byte)'}': Push(Made(new List<(object, object)>())); break; // EMPTY_DICT
                case (byte)']': Push(Made(new List<object>())); break; // EMPTY_LIST
                case (byte)')': Push(Array.Empty<object>()); break; // EMPTY_TUPLE
                case (byte)'(': Push(Mark); break;
                case (byte)'N': Push(None); break;
                case 0x88 or 0x89: Push(opcode == 0x88); break; // NEWTRUE, NEWFALSE
                case (byte)'K': Push((long)Take(pickle, ref position, 1)[0]); break; // BININT1
                case (byte)'M': Push((long)BinaryPrimitives.ReadUInt16LittleEndian(Take(pickle, ref position, 2))); break; // BININT2
                case (byte)'J': Push((long)BinaryPrimitives.ReadInt32LittleEndian(Take(pickle, ref position, 4))); break; // BININT
                case 0x8A: Push(Long(Take(pickle, ref position, Take(pickle, ref position, 1)[0]))); break; // LONG1
                case (byte)'X': Push(Text(Take(pickle, ref position, Length(Take(pickle, ref position, 4))))); break; // BINUNICODE
                case (byte)'c': Push(Line(pickle, ref position) + " " + Line(pickle, ref position)); break; // GLOBAL
                case (byte)'q': Put(Take(pickle, ref position, 1)[0]); break; // BINPUT
                case (byte)'r': Put(BinaryPrimitives.ReadUInt32LittleEndian(Take(pickle, ref position, 4))); break; // LONG_BINPUT
                case (byte)'h': Push(Get(Take(pickle, ref position, 1)[0])); break; // BINGET
                case (byte)'j': Push(Get(BinaryPrimitives.ReadUInt32LittleEndian(Take(pickle, ref position, 4)))); break; // LONG_BINGET
                case (byte)'t': Push(Made(PopToMark())); break; // TUPLE
                case 0x85 or 0x86 or 0x87: Push(Made(Pop(opcode - 0x84))); break; // TUPLE1 to TUPLE3
                case (byte)'Q': Push(Storage(Pop())); break; // BINPERSID
                case (byte)'R': Reduce(); break;
                case (byte)'s': SetItems(Pop(2)); break; // SETITEM
                case (byte)'u': SetItems(PopToMark()); break; // SETITEMS
                case (byte)'a': Append(Pop(1)); break; // APPEND
                case (byte)'e': Append(PopToMark()); break; // APPENDS
                case (byte)'b': Build(); break; // BUILD
                case (byte)'.': return Tensors(); // STOP
                default:
                    throw Error(
                        $"has the opcode {(OpcodeNames.TryGetValue(opcode, out string? name) ? name : $"0x{opcode:X2}")} (byte {at} of "
                            + "its pickle), which a file of tensors does not need: it is not read");
            }
        }
    }

    private ReadOnlySpan<byte> Take(ReadOnlySpan<byte> pickle, ref int position, int count)
    {
        if (count > pickle.Length - position) throw Error("has a pickle that is cut short");
        position += count;
        return pickle.Slice(position - count, count);
    }

    private int Length(ReadOnlySpan<byte> bytes) =>
        BinaryPrimitives.ReadUInt32LittleEndian(bytes) is <= MostText and var length ? (int)length
            : throw Error("has a text that is too long in its pickle");

    private string Text(ReadOnlySpan<byte> utf8) =>
        System.Text.Unicode.Utf8.IsValid(utf8) ? Encoding.UTF8.GetString(utf8)
            : throw Error("has a text that is not valid UTF-8 in its pickle");

    private string Line(ReadOnlySpan<byte> pickle, ref int position)
    {
        int length = pickle[position..].IndexOf((byte)'\n');
        if (length is < 0 or > 1000) throw Error("has a pickle that is cut short");
        string text = Text(pickle.Slice(position, length));
        position += length + 1;
        return text;
    }

    private long Long(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length > 8) throw Error("has a number of more than 64 bits in its pickle");
        long number = bytes.Length > 0 && (sbyte)bytes[^1] < 0 ? -1 : 0;
        for (int i = bytes.Length - 1; i >= 0; i--) number = number << 8 | bytes[i];
        return number;
    }

    private void Push(object value) => _stack.Add(value);

    /// <summary>So that a small file can't make large tables: a dictionary or tuple costs one byte of a pickle.</summary>
    private object Made(object value) =>
        ++_objects <= MostObjects ? value : throw Error($"has more than {MostObjects} objects in its pickle");

    private object Pop() => Pop(1)[0];

    private object[] Pop(int count)
    {
        if (_stack.Count < count) throw Damaged();
        object[] values = [.. _stack[^count..]];
        _stack.RemoveRange(_stack.Count - count, count);
        return values;
    }

    private object[] PopToMark()
    {
        int mark = _stack.FindLastIndex(value => ReferenceEquals(value, Mark));
        if (mark < 0) throw Damaged();
        object[] values = Pop(_stack.Count - mark - 1);
        Pop();
        return values;
    }

    private void Put(uint number)
    {
        if (_stack.Count == 0) throw Damaged();
        _memo[number] = _stack[^1];
    }

    private object Get(uint number) => _memo.GetValueOrDefault(number) ?? throw Damaged();

    private TorchStorage Storage(object id)
    {
        if (id is not object[] { Length: 5 } parts || parts is not ["storage", string type, string key, string, long count] || count < 0)
            throw Error("has a reference in its pickle that is not to a storage of numbers");
        return StorageKinds.TryGetValue(type, out string? kind) ? new TorchStorage(kind, key, count) : throw Unknown(type);
    }

    /// <summary>A call, of which three are known and none is made.</summary>
    private void Reduce()
    {
        object[] call = Pop(2);
        if (call[0] is not string name || call[1] is not object[] arguments) throw Damaged();
        Push(name switch
        {
            OrderedDictionary when arguments.Length == 0 => Made(new List<(object, object)>()),
            Rebuild when arguments is [TorchStorage storage, long offset, object[] shape, object[] strides, ..] =>
                Made(new TorchTensor(storage, offset, Numbers(shape), Numbers(strides))),
            RebuildParameter when arguments is [TorchTensor tensor, ..] => tensor,
            OrderedDictionary or Rebuild or RebuildParameter =>
                throw Error($"calls {FolderFile.Printable(name)} in its pickle in a way that is not known here"),
            _ => throw Unknown(name),
        });
    }

    private long[] Numbers(object[] tuple) => tuple.Length <= MostDimensions && tuple.All(item => item is long and >= 0)
        ? [.. tuple.Cast<long>()] : throw Error("has a tensor with a shape that is not up to 8 numbers of 0 or more");

    private void SetItems(object[] items)
    {
        if (items.Length % 2 != 0 || _stack.Count == 0 || _stack[^1] is not List<(object, object)> dictionary) throw Damaged();
        for (int i = 0; i < items.Length; i += 2) dictionary.Add((items[i], items[i + 1]));
        _objects += items.Length / 2;
        if (_objects > MostObjects) throw Error($"has more than {MostObjects} objects in its pickle");
    }

    private void Append(object[] items)
    {
        if (_stack.Count == 0 || _stack[^1] is not List<object> list) throw Damaged();
        list.AddRange(items);
    }

    /// <summary>Attributes of an object: a dictionary's (`_metadata`: the versions of modules) say nothing about tensors.</summary>
    private void Build()
    {
        Pop();
        if (_stack.Count == 0 || _stack[^1] is not List<(object, object)>) throw Damaged();
    }

    private List<(string, TorchTensor)> Tensors()
    {
        if (_stack is not [List<(object, object)> dictionary]) throw Error("has a pickle that is not a dictionary of tensors");
        var tensors = new List<(string, TorchTensor)>(dictionary.Count);
        foreach ((object name, object value) in dictionary)
        {
            if (name is not string text) throw Error("has a pickle that is not a dictionary of tensors by their names");
            tensors.Add((text, value as TorchTensor ?? throw Error($"has at '{FolderFile.Printable(text)}' something else than a tensor")));
        }
        return tensors;
    }

    private ModelException Damaged() => Error("has a damaged pickle");

    private ModelException Unknown(string name) =>
        Error($"names {FolderFile.Printable(name.Replace(' ', '.'))} in its pickle, which a file of tensors does not need: it is not read");

    private ModelException Error(string problem) => new(_file, problem);
}
