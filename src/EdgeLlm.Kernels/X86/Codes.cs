namespace EdgeLlm.Kernels.X86;

/// <summary>How a product handles unpacked weights: a weight is scale * (code - Bias) + offset.</summary>
internal interface ICodes
{
    static abstract CodeRange Range { get; }

    /// <summary>
    /// Offset of the stored codes, which makes them not negative; subtracted through the sums of activations. 0 where they are signed.
    /// </summary>
    static virtual int Bias => 0;

    /// <summary>True where each 16 columns have a scale, not each 32.</summary>
    static virtual bool HasScalePer16 => false;

    static virtual bool HasOffset => false;
}

/// <summary>Ranges of codes, which decide how many products with activations in [-127, 127] an int16 can add up.</summary>
internal enum CodeRange
{
    /// <summary>0 to 15: 16 products, so half of 32 columns (15 * 127 * 16 = 30480).</summary>
    FourBits,

    /// <summary>0 to 63: 4 products (63 * 127 * 4 = 32004).</summary>
    SixBits,

    /// <summary>
    /// -128 to 127: 2 products, of the code's magnitude and an activation that takes the code's sign (128 * 127 * 2 = 32512).
    /// </summary>
    Signed,
}

/// <summary>A constant condition.</summary>
internal interface IFlag
{
    static abstract bool IsSet { get; }
}

internal readonly struct Set : IFlag
{
    public static bool IsSet => true;
}

internal readonly struct Unset : IFlag
{
    public static bool IsSet => false;
}

/// <summary>The int8 values of <see cref="Formats.BlockUnpacker"/>, for types without a <see cref="IRowFormat"/>.</summary>
internal readonly struct SignedCodes<TScalePer16, TOffset> : ICodes
    where TScalePer16 : struct, IFlag
    where TOffset : struct, IFlag
{
    public static CodeRange Range => CodeRange.Signed;

    public static bool HasScalePer16 => TScalePer16.IsSet;

    public static bool HasOffset => TOffset.IsSet;
}
