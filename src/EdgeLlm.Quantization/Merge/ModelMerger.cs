using System.Globalization;
using System.Runtime.InteropServices;
using EdgeLlm.Gguf;
using EdgeLlm.Kernels.Formats;
using EdgeLlm.Models;
using EdgeLlm.Models.Adapters;
using EdgeLlm.Models.Spec;

namespace EdgeLlm.Quantization.Merge;

/// <summary>Writes a model with adapters in its weights, or with a delta added to them.</summary>
internal sealed class ModelMerger
{
    private readonly GgufFile _base;
    private readonly ModelSpec _spec;
    private readonly ElementType _type;

    /// <param name="file">The base, a GGUF file of F32, F16 or BF16.</param>
    /// <param name="type">The type of the matrices that are written; null: that of most of the base's.</param>
    /// <exception cref="ModelException">The base is quantized: what was rounded away can't come back.</exception>
    public ModelMerger(GgufFile file, ElementType? type)
    {
        _base = file;
        _spec = ModelLoader.ReadSpec(file);
        foreach (GgufTensor tensor in file.Tensors)
        {
            if (tensor.Packed is not null || tensor.Type is not (ElementType.F32 or ElementType.F16 or ElementType.BF16))
                throw new ModelException(file.Path,
                    $"tensor {tensor.Name} is {tensor.TypeName}: a base has to be F32, F16 or BF16, as what a change adds would be lost "
                        + "in its rounding (run the base with --lora instead)");
        }
        _type = type ?? file.Tensors.Where(tensor => tensor.Rows > 1).GroupBy(tensor => tensor.Type)
            .MaxBy(group => group.Sum(tensor => tensor.ByteCount))?.Key ?? ElementType.F32;
    }

    /// <summary>Writes the base with adapters in its weights.</summary>
    /// <param name="advance">Receives the rows written with each step.</param>
    /// <exception cref="ModelException">A number is too large for the type.</exception>
    public void Save(string path, ChangedWeights changes, Action<long> advance, CancellationToken cancellation)
    {
        GgufWriter writer = Writer();
        foreach (TensorUse use in TensorTable.Of(_spec).Where(use => !use.Entry.IsRopeTable))
        {
            GgufTensor tensor = _base.FindTensor(use.Name) ?? throw new ModelException(_base.Path, $"has no tensor {use.Name}");
            if (!use.Entry.IsMatrix)
            {
                if (changes.Vector(use) is { } numbers)
                    writer.SetTensor(use.Name, [.. tensor.Shape], ElementType.F32,
                        output => output.Write(MemoryMarshal.AsBytes(numbers.AsSpan())));
                continue;
            }
            Set(writer, use, tensor, use.Name);
        }
        // A head that is the embedding again is one of its own where one of the two changes.
        if (_spec.IsTied && (changes.Changes(TensorRole.TokenEmbedding, 0) || changes.Changes(TensorRole.Output, 0)))
            Set(writer, TensorTable.Use(_spec, TensorRole.Output), _base.FindTensor(TensorTable.Embedding)!, TensorTable.Head);
        Describe(writer, changes);
        writer.Save(path);

        void Set(GgufWriter to, TensorUse use, GgufTensor tensor, string name)
        {
            ElementType kind = use.Entry.IsFloat ? ElementType.F32 : _type;
            to.SetTensor(name, [.. tensor.Shape], kind,
                output => Write(output, name, tensor, kind,
                    changes.Changes(use.Role, use.Layer) ? (row, numbers) => changes.Change(use, row, numbers)
                        : null, advance, cancellation));
        }
    }

    /// <summary>Writes the base plus a delta.</summary>
    /// <exception cref="ModelException">A number is too large for the type.</exception>
    public void Save(string path, WeightDelta delta, Action<long> advance, CancellationToken cancellation)
    {
        GgufWriter writer = Writer();
        foreach ((string key, GgufValue value) in delta.Keys) writer.Set(key, value);
        foreach (TensorUse use in TensorTable.Of(_spec).Where(use => !use.Entry.IsRopeTable))
        {
            GgufTensor tensor = _base.FindTensor(use.Name) ?? throw new ModelException(_base.Path, $"has no tensor {use.Name}");
            ElementType kind = use.Entry.IsMatrix && !use.Entry.IsFloat ? _type : ElementType.F32;
            long rows = delta.RowsOf(use);
            long[] shape = [.. tensor.Shape];
            if (use.Entry.IsMatrix && use.Experts == 1 && shape.Length == 2) shape[1] = rows;
            writer.SetTensor(use.Name, shape, kind,
                output =>
                    Write(output, use.Name, tensor, kind, (row, numbers) => delta.Add(use, row, numbers), advance, cancellation, rows));
        }
        writer.Set("edgellm.merged", GgufValue.OfArray([delta.Name]));
        writer.Save(path);
    }

    private GgufWriter Writer()
    {
        GgufWriter writer = GgufWriter.CopyOf(_base);
        writer.Set("general.file_type", GgufValue.Of(_type switch { ElementType.F32 => 0u, ElementType.F16 => 1u, _ => 32u }));
        return writer;
    }

    /// <summary>Base and adapters, so that a licence can be followed.</summary>
    private void Describe(GgufWriter writer, ChangedWeights changes)
    {
        if (_base.Metadata.GetString("general.name", null) is { } name)
        {
            writer.Set("general.base_model.count", GgufValue.Of(1u));
            writer.Set("general.base_model.0.name", GgufValue.Of(name));
        }
        writer.Set("edgellm.merged", GgufValue.OfArray([.. changes.Adapters.Select(one =>
            string.Create(CultureInfo.InvariantCulture,
                $"{one.Adapter.Name}:{one.Scale:R} sha256:{Convert.ToHexStringLower(one.Adapter.Identity.Span)}"))]));
    }

    private void Write(Stream output, string name, GgufTensor tensor, ElementType type, RowChange? change, Action<long> advance,
        CancellationToken cancellation, long rows = 0)
    {
        int columns = checked((int)tensor.Columns), bytes = (int)ElementFormat.ByteCount(tensor.Type, columns);
        rows = rows == 0 ? tensor.Rows : rows;
        float[] numbers = new float[columns];
        byte[] encoded = new byte[ElementFormat.ByteCount(type, columns)];
        for (int row = 0; row < rows; row++)
        {
            cancellation.ThrowIfCancellationRequested();
            if (row < tensor.Rows) Dequantizer.ToFloat(tensor.Type, _base.Bytes(tensor, (long)row * bytes, bytes), numbers);
            else Array.Clear(numbers); // a row that the base lacks counts as 0
            change?.Invoke(row, numbers);
            Encode(numbers, type, encoded);
            if (!IsFinite(numbers, type))
                throw new ModelException(_base.Path, $"tensor {name} would have a number that {type} can't hold: take another --type");
            output.Write(encoded);
            advance(1);
        }
    }

    private static void Encode(float[] numbers, ElementType type, byte[] to)
    {
        if (type == ElementType.F32)
        {
            MemoryMarshal.AsBytes(numbers.AsSpan()).CopyTo(to);
            return;
        }
        Span<ushort> halves = MemoryMarshal.Cast<byte, ushort>(to.AsSpan());
        for (int i = 0; i < numbers.Length; i++)
            halves[i] = type == ElementType.F16 ? HalfConversion.FromFloat(numbers[i]) : BrainFloatConversion.FromFloat(numbers[i]);
    }

    private static bool IsFinite(float[] numbers, ElementType type)
    {
        float most = type == ElementType.F16 ? 65519.99f : type == ElementType.BF16 ? 3.38e38f : float.MaxValue;
        return !numbers.AsSpan().ContainsAnyExceptInRange(-most, most);
    }

    private delegate void RowChange(int row, Span<float> numbers);
}
