namespace EdgeLlm.Kernels.X86;

internal readonly struct TwoTokens : ITokenCount
{
    public static int Count => 2;
}
