namespace EdgeLlm.Kernels.X86;

internal readonly struct E4Group32Codes : IPackedCodes
{
    public static bool HasCodebook => true;

    public static bool HasScalePer16 => false;
}
