using System.Buffers;
using EdgeLlm.Kernels.Formats;
using EdgeLlm.Training.Numerics;

namespace EdgeLlm.Quantization.Rounding;

/// <summary>
/// Cost of an error in a matrix' weights: tr(E H E') for E [rows, n], with H = sum x x' over the inputs that it multiplies. H = M D M' with
/// M upper triangular and ones on its diagonal, so that the cost is sum over k of D[k] (E M)[k]^2: what the columns before k lost, column k
/// can make up for by (E M)[k] (LDLQ: Chee et al., "QuIP", 2023; the same as GPTQ).
/// </summary>
internal sealed class Curvature
{
    private const int PanelRows = 64;

    /// <param name="moments">[n, n]; taken over.</param>
    /// <param name="damping">Share of the mean of the diagonal that is added to it.</param>
    /// <param name="shrinkage">Share of each element of the diagonal that is added to it: makes less of correlations, which are partly the
    /// sample's own.</param>
    /// <param name="arena">Where <see cref="Factor"/> is from; null: it is new.</param>
    public Curvature(float[] moments, int size, double damping, double shrinkage = 0, FloatArena? arena = null)
    {
        Size = size;
        Moments = moments;
        double mean = 0;
        for (int k = 0; k < size; k++) mean += moments[k * size + k] / (double)size;
        float added = (float)(mean > 0 ? mean * damping : 1);
        for (int k = 0; k < size; k++) moments[k * size + k] += added + (float)(shrinkage * moments[k * size + k]);
        Diagonal = new float[size];
        Factor = arena?.Rent(moments.Length) ?? new float[moments.Length];
        moments.CopyTo(Factor, 0);
        Decompose();
    }

    public int Size { get; }

    /// <summary>H with the damping: [n, n].</summary>
    public float[] Moments { get; }

    /// <summary>D: [n].</summary>
    public float[] Diagonal { get; }

    /// <summary>M above its diagonal, which is all ones: [n, n]. The diagonal and the part below it have no meaning.</summary>
    public float[] Factor { get; }

    /// <summary>How much each column counts by itself, the mean being 1: [n].</summary>
    public float[] Importance() => Importance(Moments, Size);

    /// <summary>Importance of each column by any H: [n, n].</summary>
    public static float[] Importance(float[] moments, int size)
    {
        float[] importance = new float[size];
        double mean = 0;
        for (int k = 0; k < size; k++) mean += moments[k * size + k] / (double)size;
        for (int k = 0; k < size; k++) importance[k] = mean > 0 ? Math.Max(1e-6f, (float)(moments[k * size + k] / mean)) : 1;
        return importance;
    }

    /// <summary>
    /// H of the inputs that <see cref="Rotation"/> computes from a symmetric <paramref name="moments"/> [n, n], over 32: in place.
    /// </summary>
    public static void Rotate(float[] moments, int size)
    {
        Rotation.Store(moments);
        for (int first = 0; first < size; first += Rotation.Columns)
        {
            for (int stride = Rotation.Columns / 2; stride > 0; stride /= 2)
            {
                for (int j = 0; j < Rotation.Columns; j++)
                {
                    if ((j & stride) != 0) continue;
                    Span<float> a = moments.AsSpan((first + j) * size, size), b = moments.AsSpan((first + j + stride) * size, size);
                    for (int i = 0; i < size; i++) (a[i], b[i]) = (a[i] + b[i], a[i] - b[i]);
                }
            }
        }
    }

    /// <summary>Brings both sides of H [n, n] into the order of E3's rings, in place.</summary>
    public static void Order(float[] moments, int size)
    {
        RingCodebook.Order(moments);
        float[] rows = ArrayPool<float>.Shared.Rent(Rotation.Columns * size);
        for (int first = 0; first < size; first += Rotation.Columns)
        {
            Span<float> block = moments.AsSpan(first * size, Rotation.Columns * size);
            for (int place = 0; place < Rotation.Columns; place++)
                block.Slice(RingCodebook.ColumnOf(place) * size, size).CopyTo(rows.AsSpan(place * size));
            rows.AsSpan(0, block.Length).CopyTo(block);
        }
        ArrayPool<float>.Shared.Return(rows);
    }

    /// <summary>Copies the upper half of a symmetric matrix [n, n] to the lower one.</summary>
    public static void Mirror(float[] matrix, int size)
    {
        for (int r = 0; r < size; r++)
        {
            for (int c = 0; c < r; c++) matrix[r * size + c] = matrix[c * size + r];
        }
    }

    /// <summary>tr(E H E') / rows of E.</summary>
    public double MeanCost(float[] errors, int rows) => MeanCost(errors, rows, Moments, Size);

    /// <summary>Mean cost of errors for any H: [n, n].</summary>
    public static double MeanCost(float[] errors, int rows, float[] moments, int size)
    {
        const int BlockRows = 384;
        float[] product = ArrayPool<float>.Shared.Rent(Math.Min(rows, BlockRows) * size);
        double sum = 0;
        for (int first = 0; first < rows; first += BlockRows)
        {
            int count = Math.Min(BlockRows, rows - first);
            MatrixMultiplier.Multiply(new MatrixView(errors, first * size, count, size, size, 1), new MatrixView(moments, size, size),
                new MatrixView(product, count, size));
            for (int i = 0; i < count * size; i++) sum += (double)product[i] * errors[first * size + i];
        }
        ArrayPool<float>.Shared.Return(product);
        return sum / rows;
    }

    /// <summary>
    /// From the last row up, in panels: within a panel row by row, then what it takes from all rows above at once. What is left of H is on
    /// and below the diagonal, M is written above it.
    /// </summary>
    private void Decompose()
    {
        float[] rest = Factor, scaled = ArrayPool<float>.Shared.Rent(PanelRows * Size);
        for (int end = Size; end > 0; end -= PanelRows)
        {
            int start = Math.Max(0, end - PanelRows);
            for (int k = end - 1; k >= start; k--)
            {
                float pivot = Math.Max(rest[k * Size + k], 1e-6f * Moments[k * Size + k]);
                Diagonal[k] = pivot;
                Span<float> row = rest.AsSpan(k * Size, k);
                for (int j = start; j < k; j++)
                {
                    float factor = row[j] / pivot;
                    Span<float> other = rest.AsSpan(j * Size, j + 1);
                    for (int i = 0; i < other.Length; i++) other[i] -= factor * row[i];
                }
                float inverse = 1 / pivot;
                Span<float> target = scaled.AsSpan((k - start) * Size, k);
                for (int i = 0; i < k; i++)
                {
                    target[i] = -row[i];
                    row[i] *= inverse;
                    Factor[i * Size + k] = row[i];
                }
            }
            if (start == 0) break;
            var panel = new MatrixView(rest, start * Size, end - start, start, Size, 1);
            var negative = new MatrixView(scaled, 0, end - start, start, Size, 1);
            MatrixMultiplier.Multiply(negative.Transposed, panel, new MatrixView(rest, 0, start, start, Size, 1), accumulate: true);
        }
        ArrayPool<float>.Shared.Return(scaled);
    }
}
