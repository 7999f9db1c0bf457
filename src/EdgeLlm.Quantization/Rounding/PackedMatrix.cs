using System.Buffers;
using System.Runtime.InteropServices;
using EdgeLlm.Gguf;
using EdgeLlm.Kernels.Formats;
using Microsoft.Win32.SafeHandles;

namespace EdgeLlm.Quantization.Rounding;

/// <summary>A packed matrix, its bytes in memory or in a file, and a factor of every row's scale that is not in the bytes yet.</summary>
internal sealed class PackedMatrix
{
    private readonly byte[]? _data;
    private readonly SafeFileHandle? _file;
    private readonly long _offset;

    public PackedMatrix(PackedTensor tensor, byte[] data)
    {
        (Tensor, _data) = (tensor, data);
        RowFactors = NewFactors();
    }

    /// <param name="offset">Where the bytes begin in the file.</param>
    public PackedMatrix(PackedTensor tensor, SafeFileHandle file, long offset)
    {
        (Tensor, _file, _offset) = (tensor, file, offset);
        RowFactors = NewFactors();
    }

    /// <summary>Its name, form, size and codebook.</summary>
    public PackedTensor Tensor { get; }

    /// <summary>The bytes without the factors, of a matrix in memory.</summary>
    public ReadOnlySpan<byte> Data => _data;

    /// <summary>[rows]</summary>
    public float[] RowFactors { get; }

    /// <summary>The bytes, as docs/quantization.md has them, with the factors in the row scales.</summary>
    public void Write(Stream output)
    {
        byte[] group = new byte[Tensor.Layout.GroupBytes];
        for (int first = 0; first < Tensor.Rows; first += PackedLayout.GroupRows)
        {
            ReadGroup(first / PackedLayout.GroupRows, group);
            output.Write(group);
        }
    }

    /// <summary>Weights as floats: [rows, columns].</summary>
    public void ToFloat(float[] weights)
    {
        int groups = (Tensor.Rows + PackedLayout.GroupRows - 1) / PackedLayout.GroupRows, columns = Tensor.Columns;
        Parallel.For(0, groups, group =>
        {
            int first = group * PackedLayout.GroupRows, rows = Math.Min(PackedLayout.GroupRows, Tensor.Rows - first);
            GroupToFloat(group, weights.AsSpan(first * columns, rows * columns));
        });
    }

    /// <summary>The rows of a group [up to 8, columns].</summary>
    public void GroupToFloat(int group, Span<float> weights)
    {
        PackedLayout layout = Tensor.Layout;
        byte[] buffer = ArrayPool<byte>.Shared.Rent((int)layout.GroupBytes);
        Span<byte> bytes = buffer.AsSpan(0, (int)layout.GroupBytes);
        ReadGroup(group, bytes);
        for (int row = 0; row < weights.Length / layout.Columns; row++)
            PackedRows.ToFloat(layout, bytes, Tensor.Codebook, row, weights.Slice(row * layout.Columns, layout.Columns));
        ArrayPool<byte>.Shared.Return(buffer);
    }

    private void ReadGroup(int group, Span<byte> bytes)
    {
        long start = group * Tensor.Layout.GroupBytes;
        if (_data is not null) _data.AsSpan((int)start, bytes.Length).CopyTo(bytes);
        else if (RandomAccess.Read(_file!, bytes, _offset + start) != bytes.Length)
            throw new EndOfStreamException($"the bytes of {Tensor.Name} are cut short");
        Span<float> scales = MemoryMarshal.Cast<byte, float>(bytes);
        int first = group * PackedLayout.GroupRows;
        for (int row = 0; row < Math.Min(PackedLayout.GroupRows, Tensor.Rows - first); row++) scales[row] *= RowFactors[first + row];
    }

    private float[] NewFactors()
    {
        float[] factors = new float[Tensor.Rows];
        Array.Fill(factors, 1);
        return factors;
    }
}
