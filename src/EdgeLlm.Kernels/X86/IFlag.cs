namespace EdgeLlm.Kernels.X86;

/// <summary>A constant condition.</summary>
internal interface IFlag
{
    static abstract bool IsSet { get; }
}
