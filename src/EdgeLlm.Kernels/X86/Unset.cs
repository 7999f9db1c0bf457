namespace EdgeLlm.Kernels.X86;

internal readonly struct Unset : IFlag
{
    public static bool IsSet => false;
}
