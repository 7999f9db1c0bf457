namespace EdgeLlm.Kernels.X86;

internal readonly struct FourTokens : ITokenCount
{
    public static int Count => 4;
}
