using System.Buffers.Binary;
using EdgeLlm.Gguf;

namespace EdgeLlm.Fuzz.Inputs;

/// <summary>
/// Changes what a file says of its packed tensors: kinds, rotations, codebooks, rows, columns, and the bytes of their codes.
/// </summary>
internal static class PackedMutator
{
    private const int ArrayHeader = 12; // an array's type of items and their number

    private static readonly string[] Kinds = ["e3g32", "e4g32", "e4g16", "e5g32", "e8g32"];

    public static void Mutate(Dice dice, GgufDocument document)
    {
        for (int count = dice.Mutations(); count > 0; count--)
        {
            switch (dice.Below(6))
            {
                case 0: Edit(document, PackedTensors.KindsKey, value => ChangeKind(dice, value)); break;
                case 1: SetRotations(dice, document); break;
                case 2: Edit(document, PackedTensors.CodebooksKey, value => Resize(value, dice.Pick(-32, -16, -1, 1, 16, 32))); break;
                case 3:
                    Edit(document, PackedTensors.CodebooksKey,
                        value => Set(value, dice, 1, dice.OneIn(4) ? dice.Below(256) : dice.Below(127) - 63)); break;
                case 4:
                    Edit(document, dice.OneIn(2) ? PackedTensors.RowsKey : PackedTensors.ColumnsKey,
                        value => Set(value, dice, 4, dice.OneIn(4) ? (int)dice.Integer() : dice.Pick(8, 16, 24, 32, 64, 96, 256)));
                    break;
                default: ChangeCodes(dice, document); break;
            }
        }
    }

    private static void Edit(GgufDocument document, string key, Func<byte[], byte[]> change)
    {
        if (document.Find(key) is { } found && found.Value.Length > ArrayHeader) found.Value = change([.. found.Value]);
    }

    /// <summary>Another kind for one tensor: all names have five letters.</summary>
    private static byte[] ChangeKind(Dice dice, byte[] value)
    {
        const int ItemBytes = 8 + 5;
        int items = (value.Length - ArrayHeader) / ItemBytes;
        if (items > 0) System.Text.Encoding.ASCII.GetBytes(dice.Of(Kinds)).CopyTo(value, ArrayHeader + dice.Below(items) * ItemBytes + 8);
        return value;
    }

    /// <summary>All rotated, none, or each as it falls; sometimes a number that is no rotation.</summary>
    private static void SetRotations(Dice dice, GgufDocument document)
    {
        if (document.Find(PackedTensors.RowsKey) is not { } rows || rows.Value.Length <= ArrayHeader) return;
        int items = (rows.Value.Length - ArrayHeader) / 4 + (dice.OneIn(8) ? 1 : 0), choice = dice.Below(3);
        byte[] value = new byte[ArrayHeader + items];
        BinaryPrimitives.WriteUInt64LittleEndian(value.AsSpan(4), (ulong)items); // items of type 0: uint8
        for (int i = 0; i < items; i++)
            value[ArrayHeader + i] = (byte)(dice.OneIn(64) ? dice.Below(256) : choice == 0 || choice == 1 && dice.OneIn(2) ? 32 : 0);
        document.Keys.RemoveAll(key => key.Text == PackedTensors.RotationsKey);
        document.Keys.Add(
            new GgufDocument.Key(System.Text.Encoding.ASCII.GetBytes(PackedTensors.RotationsKey), GgufDocument.ArrayType, value));
        if (document.Find(PackedTensors.VersionKey) is { Value.Length: 4 } version && !dice.OneIn(8)) version.Value = [2, 0, 0, 0];
    }

    private static byte[] Resize(byte[] value, int change)
    {
        Array.Resize(ref value, Math.Max(ArrayHeader, value.Length + change));
        BinaryPrimitives.WriteUInt64LittleEndian(value.AsSpan(4), (ulong)(value.Length - ArrayHeader));
        return value;
    }

    private static byte[] Set(byte[] value, Dice dice, int width, int number)
    {
        int at = ArrayHeader + dice.Below((value.Length - ArrayHeader) / width) * width;
        BitConverter.GetBytes(number).AsSpan(0, width).CopyTo(value.AsSpan(at));
        return value;
    }

    /// <summary>Random bytes in a stretch of a tensor of bytes: codes, planes of bits, sub-scales.</summary>
    private static void ChangeCodes(Dice dice, GgufDocument document)
    {
        GgufDocument.Tensor[] packed =
            [.. document.Tensors.Where(tensor => tensor.Shape.Length == 1 && tensor.Type == (uint)Kernels.Formats.ElementType.I8
                && tensor.Data.Length > 64)];
        if (packed.Length == 0) return;
        GgufDocument.Tensor chosen = dice.Of(packed);
        byte[] data = [.. chosen.Data];
        int start = 32 + dice.Below(data.Length - 32); // the row scales of the first group stay numbers
        for (int at = start; at < Math.Min(data.Length, start + 256); at++) data[at] = (byte)dice.Below(256);
        chosen.Data = data;
    }
}
