namespace EdgeLlm.Kernels.X86;

/// <summary>The int8 values of <see cref="Formats.BlockUnpacker"/>, for types without a <see cref="IRowFormat"/>.</summary>
internal readonly struct SignedCodes<TScalePer16, TOffset> : ICodes
    where TScalePer16 : struct, IFlag
    where TOffset : struct, IFlag
{
    public static CodeRange Range => CodeRange.Signed;

    public static int Bias => 0;

    public static bool HasScalePer16 => TScalePer16.IsSet;

    public static bool HasOffset => TOffset.IsSet;
}
