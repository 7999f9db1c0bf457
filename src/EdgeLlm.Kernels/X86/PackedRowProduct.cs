using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using EdgeLlm.Kernels.Formats;

namespace EdgeLlm.Kernels.X86;

/// <summary>A packed group of eight rows times one token, straight from the file. Lanes are rows: nothing is summed across them.</summary>
internal static unsafe class PackedRowProduct<TDot, TCodes>
    where TDot : struct, IByteDot
    where TCodes : struct, IPackedCodes
{
    /// <summary>How far ahead of the products weights are asked for; without it, Zen 3 streams from memory at 60% of the speed.</summary>
    private const int PrefetchBytes = 8192;

    private static int BlockBytes => TCodes.HasCodebook ? 128 : 256;

    /// <param name="table">The codebook plus <see cref="PackedTile.Bias"/>, in both halves.</param>
    /// <param name="starts">Per 16 columns, as in <see cref="PackedTile"/>; not used without a codebook.</param>
    public static Vector256<float> Multiply(byte* group, nint codeOffset, Vector256<byte> table, in PackedActivations x, int* starts)
    {
        Vector256<float> accumulator = Vector256<float>.Zero;
        sbyte* subScales = (sbyte*)group + PackedLayout.SubScaleOffset, values = x.Values;
        byte* codes = group + codeOffset;
        int* shift = x.Shifts;
        float* scale = x.Scales;
        for (int blocks = x.Blocks; blocks > 0; blocks -= PackedActivations.ScaleBlocks, scale++)
        {
            Vector256<int> sum = Vector256<int>.Zero;
            for (int b = Math.Min(blocks, PackedActivations.ScaleBlocks); b > 0; b--, codes += BlockBytes, values += 32, starts += 2, shift++)
            {
                for (int line = 0; line < BlockBytes; line += 64) Sse.Prefetch0(codes + PrefetchBytes + line);
                Vector256<int> first, second;
                if (TCodes.HasCodebook) AddCodes(codes, table, values, starts, out first, out second);
                else AddBytes(codes, values, out first, out second);
                Vector256<uint> shifts = Vector256.Create((uint)*shift);
                if (TCodes.HasScalePer16)
                {
                    sum += first * SubScales(subScales, shifts);
                    sum += second * SubScales(subScales + PackedLayout.GroupRows, shifts);
                    subScales += 2 * PackedLayout.GroupRows;
                }
                else
                {
                    sum += (first + second) * SubScales(subScales, shifts);
                    subScales += PackedLayout.GroupRows;
                }
            }
            accumulator = Fma.MultiplyAdd(Vector256.Create(*scale), Vector256.ConvertToSingle(sum), accumulator);
        }
        return accumulator * Vector256.Load((float*)group);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> SubScales(sbyte* source, Vector256<uint> shifts) =>
        Avx2.ShiftLeftLogicalVariable(Avx2.ConvertToVector256Int32(source), shifts);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddCodes(byte* codes, Vector256<byte> table, sbyte* values, int* starts, out Vector256<int> first, out Vector256<int> second)
    {
        first = Vector256.Create(starts[0]);
        second = Vector256.Create(starts[1]);
        AddQuads(Vector256.Load(codes), table, values, ref first, ref second);
        AddQuads(Vector256.Load(codes + 32), table, values + 4, ref first, ref second);
        AddQuads(Vector256.Load(codes + 64), table, values + 8, ref first, ref second);
        AddQuads(Vector256.Load(codes + 96), table, values + 12, ref first, ref second);
    }

    /// <summary>A quad of the first 16 columns and one of the second 16.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddQuads(Vector256<byte> codes, Vector256<byte> table, sbyte* values, ref Vector256<int> first, ref Vector256<int> second)
    {
        Vector256<byte> low = Vector256.Create((byte)15);
        first = TDot.AccumulateWide(first, Avx2.Shuffle(table, codes & low), Broadcast(values));
        second = TDot.AccumulateWide(second, Avx2.Shuffle(table, (codes.AsUInt16() >> 4).AsByte() & low), Broadcast(values + 16));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddBytes(byte* codes, sbyte* values, out Vector256<int> first, out Vector256<int> second)
    {
        first = AddQuad(Vector256<int>.Zero, codes, values);
        second = AddQuad(Vector256<int>.Zero, codes + 128, values + 16);
        first = AddQuad(first, codes + 32, values + 4);
        second = AddQuad(second, codes + 160, values + 20);
        first = AddQuad(first, codes + 64, values + 8);
        second = AddQuad(second, codes + 192, values + 24);
        first = AddQuad(first, codes + 96, values + 12);
        second = AddQuad(second, codes + 224, values + 28);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> AddQuad(Vector256<int> sum, byte* codes, sbyte* values)
    {
        Vector256<sbyte> q = Vector256.Load((sbyte*)codes);
        return TDot.AccumulateWide(sum, Avx2.Abs(q), Avx2.Sign(Broadcast(values), q));
    }

    /// <summary>Four activations in every lane.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<sbyte> Broadcast(sbyte* values) => Vector256.Create(*(int*)values).AsSByte();
}
