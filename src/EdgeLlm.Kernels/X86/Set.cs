namespace EdgeLlm.Kernels.X86;

internal readonly struct Set : IFlag
{
    public static bool IsSet => true;
}
