using System.Runtime.Intrinsics;
using EdgeLlm.Kernels.Formats;

namespace EdgeLlm.Gguf;

/// <summary>
/// The keys `edgellm.*`: which tensors are packed, and how. Parallel arrays, an item for each packed tensor (docs/quantization.md).
/// </summary>
internal static class PackedTensors
{
    public const string VersionKey = "edgellm.version";
    public const string NamesKey = "edgellm.packed.names";
    public const string RowsKey = "edgellm.packed.rows";
    public const string ColumnsKey = "edgellm.packed.columns";
    public const string KindsKey = "edgellm.packed.kinds";
    public const string CodebooksKey = "edgellm.packed.codebooks";
    public const string ExpertsKey = "edgellm.packed.experts";

    public const string RotationsKey = "edgellm.packed.rotations";

    // 2: with E5, E3 or a rotation. All else is written as version 1, which older programs read.
    private const uint FirstVersion = 1;
    private const uint Version = 2;

    /// <summary>The packed tensors of a file, by name; none where it has no such keys.</summary>
    /// <exception cref="GgufException">The keys contradict each other or the tensors, or are of a later version.</exception>
    public static Dictionary<string, PackedTensor> Read(GgufMetadata data, IReadOnlyDictionary<string, GgufTensor> tensors)
    {
        var packed = new Dictionary<string, PackedTensor>();
        if (!data.Contains(VersionKey) && !data.Contains(NamesKey)) return packed;
        uint version = data.GetUInt32(VersionKey);
        if (version is < FirstVersion or > Version)
            throw data.Error(VersionKey,
                $"is {version}; this program reads versions {FirstVersion} and {Version} of packed tensors: take a newer program");

        GgufStringArray names = data.GetStringArray(NamesKey), kinds = data.GetStringArray(KindsKey);
        uint[] rows = data.GetArray<uint>(RowsKey), columns = data.GetArray<uint>(ColumnsKey);
        sbyte[] codebooks = data.GetArray<sbyte>(CodebooksKey);
        uint[]? experts = data.Contains(ExpertsKey) ? data.GetArray<uint>(ExpertsKey) : null; // absent: no tensor is a stack
        if (experts is not null) RequireLength(ExpertsKey, experts.Length, names.Count);
        RequireLength(KindsKey, kinds.Count, names.Count);
        RequireLength(RowsKey, rows.Length, names.Count);
        RequireLength(ColumnsKey, columns.Length, names.Count);
        byte[]? rotations = data.Contains(RotationsKey) ? data.GetArray<byte>(RotationsKey) : null; // absent: none
        if (rotations is not null) RequireLength(RotationsKey, rotations.Length, names.Count);
        RequireLength(CodebooksKey, codebooks.Length,
            Enumerable.Range(0, kinds.Count).Sum(i => (long)new PackedLayout(PackedTensor.PackingOf(kinds[i]), 0).CodebookLength));
        int codebookStart = 0;
        for (int i = 0; i < names.Count; i++)
        {
            string name = names[i], quoted = GgufException.Quote(name);
            Packing packing = PackedTensor.PackingOf(kinds[i]);
            if (packing == Packing.None)
                throw data.Error(KindsKey, $"item {i} is {GgufException.Quote(kinds[i])}, not one of e3g32, e4g32, e4g16, e5g32, e8g32");
            if (rows[i] is 0 or > int.MaxValue) throw data.Error(RowsKey, $"item {i} ({quoted}) is {rows[i]}");
            if (columns[i] is 0 or > int.MaxValue || columns[i] % PackedLayout.BlockColumns != 0)
                throw data.Error(ColumnsKey, $"item {i} ({quoted}) is {columns[i]}, no multiple of {PackedLayout.BlockColumns}");
            byte rotation = rotations?[i] ?? 0;
            if (rotation is not (0 or Rotation.Columns))
                throw data.Error(RotationsKey, $"item {i} ({quoted}) is {rotation}, not 0 or {Rotation.Columns}");
            if (version == FirstVersion && (rotation > 0 || IsOfSecondVersion(packing)))
                throw data.Error(VersionKey, $"is {version}, and item {i} ({quoted}) is of a form that version {Version} brought");
            ReadOnlySpan<sbyte> values = codebooks.AsSpan(codebookStart, new PackedLayout(packing, (int)columns[i]).CodebookLength);
            codebookStart += values.Length;
            RequireCodebook(i, packing, values);
            Vector256<sbyte> codebook = PackedTensor.CodebookOf(values);
            uint matrices = experts?[i] ?? 1;
            if (matrices == 0 || matrices > 1 && rows[i] % ((ulong)matrices * PackedLayout.GroupRows) != 0)
                throw data.Error(ExpertsKey,
                    $"item {i} ({quoted}) is {matrices}, and {rows[i]} rows are not so many matrices of a multiple of "
                        + $"{PackedLayout.GroupRows} rows");
            var tensor = new PackedTensor(name, packing, (int)rows[i], (int)columns[i], codebook)
            {
                Experts = (int)matrices,
                IsRotated = rotation > 0,
            };
            RequireBytes(i, tensor);
            if (!packed.TryAdd(name, tensor)) throw data.Error(NamesKey, $"item {i} is {quoted} again");
        }
        return packed;

        void RequireLength(string key, int length, long expected)
        {
            if (length != expected) throw data.Error(key, $"has {length} items instead of {expected}, as {NamesKey} has {names.Count}");
        }

        void RequireCodebook(int item, Packing packing, ReadOnlySpan<sbyte> codebook)
        {
            int limit = packing == Packing.E8Group32 ? 0 : PackedLayout.CodebookLimit;
            foreach (sbyte value in codebook)
            {
                if (Math.Abs((int)value) > limit)
                    throw data.Error(CodebooksKey,
                        $"has {value} in the codebook of item {item}; {kinds[item]} allows "
                            + $"{(limit == 0 ? "only 0" : $"-{limit} to {limit}")}");
            }
        }

        void RequireBytes(int item, PackedTensor packedTensor)
        {
            string quoted = GgufException.Quote(packedTensor.Name);
            if (!tensors.TryGetValue(packedTensor.Name, out GgufTensor? tensor))
                throw data.Error(NamesKey, $"item {item} is {quoted}, and the file has no such tensor");
            if (tensor.Type != ElementType.I8 || tensor.Shape.Count != 1)
                throw data.Error(NamesKey,
                    $"item {item}, tensor {quoted}, is {tensor.Type} of {tensor.Shape.Count} dimensions; a packed tensor is I8 of one");
            if (tensor.ByteCount != packedTensor.ByteCount)
                throw data.Error(NamesKey,
                    $"item {item}, tensor {quoted}, has {tensor.ByteCount} bytes; {packedTensor.Rows} x {packedTensor.Columns} as "
                        + $"{packedTensor.Kind} take {packedTensor.ByteCount}");
        }
    }

    /// <summary>Whether a key tells of packed tensors.</summary>
    public static bool IsKey(string key) => key == VersionKey || key.StartsWith("edgellm.packed.", StringComparison.Ordinal);

    private static bool IsOfSecondVersion(Packing packing) => packing is Packing.E5Group32 or Packing.E3Group32;

    /// <summary>Sets the keys, and the alignment that packed tensors have.</summary>
    public static void Write(GgufWriter writer, IReadOnlyList<PackedTensor> tensors)
    {
        sbyte[] codebooks =
            [.. tensors.SelectMany(tensor => Enumerable.Range(0, tensor.Layout.CodebookLength).Select(code => tensor.Codebook[code]))];
        bool isRotated = tensors.Any(tensor => tensor.IsRotated);
        writer.Set(GgufRules.AlignmentKey, GgufValue.Of((uint)PackedLayout.Alignment));
        writer.Set(VersionKey,
            GgufValue.Of(isRotated || tensors.Any(tensor => IsOfSecondVersion(tensor.Packing)) ? Version : FirstVersion));
        writer.Set(NamesKey, GgufValue.OfArray([.. tensors.Select(tensor => tensor.Name)]));
        writer.Set(RowsKey, GgufValue.OfArray<uint>([.. tensors.Select(tensor => (uint)tensor.Rows)]));
        writer.Set(ColumnsKey, GgufValue.OfArray<uint>([.. tensors.Select(tensor => (uint)tensor.Columns)]));
        writer.Set(KindsKey, GgufValue.OfArray([.. tensors.Select(tensor => tensor.Kind)]));
        writer.Set(CodebooksKey, GgufValue.OfArray<sbyte>(codebooks));
        if (isRotated)
            writer.Set(RotationsKey,
                GgufValue.OfArray<byte>([.. tensors.Select(tensor => (byte)(tensor.IsRotated ? Rotation.Columns : 0))]));
        if (tensors.Any(tensor => tensor.Experts > 1))
            writer.Set(ExpertsKey, GgufValue.OfArray<uint>([.. tensors.Select(tensor => (uint)tensor.Experts)]));
    }
}
