namespace EdgeLlm.Kernels.X86;

internal readonly struct E4Group16Codes : IPackedCodes
{
    public static bool HasCodebook => true;

    public static bool HasScalePer16 => true;
}
