namespace EdgeLlm.Kernels;

/// <summary>How the key/value cache stores its numbers.</summary>
public enum KeyValueType
{
    /// <summary>IEEE half precision, the default: 2 bytes a number.</summary>
    F16,

    /// <summary>Single precision: 4 bytes a number.</summary>
    F32,

    /// <summary>int8 with one float scale per head and position: 1 byte a number and 4 a head.</summary>
    I8,
}
