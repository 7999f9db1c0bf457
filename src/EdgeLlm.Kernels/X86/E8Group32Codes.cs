namespace EdgeLlm.Kernels.X86;

internal readonly struct E8Group32Codes : IPackedCodes
{
    public static bool HasCodebook => false;

    public static bool HasScalePer16 => false;
}
