using System.Runtime.Intrinsics.X86;
using EdgeLlm.Kernels.Formats;
using EdgeLlm.Kernels.Vectors;

namespace EdgeLlm.Kernels.X86;

/// <summary>AVX2 and FMA: Intel since Haswell (2013), AMD since Excavator (2015).</summary>
internal unsafe class Avx2Kernel : VectorKernel
{
    public static bool IsSupported => Avx2.IsSupported && Fma.IsSupported;

    public override string Name => "avx2";

    public override void Multiply(in WeightMatrix weights, in QuantizedActivations x, int tokens, float* y, nint yStride, int firstRow,
        int endRow, byte* scratch) =>
        IntegerProducts<MaddDot>.Multiply(weights, x, tokens, y, yStride, firstRow, endRow, scratch);

    public override void MultiplyPacked(in WeightMatrix weights, in PackedActivations x, int tokens, float* y, nint yStride, int firstRow,
        int endRow, byte* scratch)
    {
        if (weights.Packing == Packing.E8Group32 && tokens > PackedProducts<MaddArithmetic>.MostRowTokens)
            BytePanelProduct.Multiply(weights, x, tokens, y, yStride, firstRow, endRow, scratch);
        else PackedProducts<MaddArithmetic>.Multiply(weights, x, tokens, y, yStride, firstRow, endRow, scratch);
    }

    public override long ScratchBytes(int columns) =>
        Math.Max(Math.Max(base.ScratchBytes(columns), BytePanelProduct.ScratchBytes(columns)),
            Math.Max(IntegerProducts<MaddDot>.ScratchBytes(columns), PackedProducts<MaddArithmetic>.ScratchBytes(columns)));
}

/// <summary>AVX-VNNI: Intel since Alder Lake (2021), AMD since Zen 5 (2024).</summary>
internal sealed unsafe class AvxVnniKernel : Avx2Kernel
{
    public static new bool IsSupported => Avx2Kernel.IsSupported && AvxVnni.IsSupported;

    public override string Name => "avx-vnni";

    public override void Multiply(in WeightMatrix weights, in QuantizedActivations x, int tokens, float* y, nint yStride, int firstRow,
        int endRow, byte* scratch) =>
        IntegerProducts<VnniDot>.Multiply(weights, x, tokens, y, yStride, firstRow, endRow, scratch);

    public override void MultiplyPacked(in WeightMatrix weights, in PackedActivations x, int tokens, float* y, nint yStride, int firstRow,
        int endRow, byte* scratch) =>
        PackedProducts<VnniArithmetic<VnniDot>>.Multiply(weights, x, tokens, y, yStride, firstRow, endRow, scratch);

    public override long ScratchBytes(int columns) =>
        Math.Max(base.ScratchBytes(columns), PackedProducts<VnniArithmetic<VnniDot>>.ScratchBytes(columns));
}
