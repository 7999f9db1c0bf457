namespace EdgeLlm.Kernels.X86;

internal readonly struct OneToken : ITokenCount
{
    public static int Count => 1;
}
