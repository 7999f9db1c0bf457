namespace EdgeLlm.Gguf;

/// <summary>The type of a metadata value, with the numbers that a GGUF file holds.</summary>
public enum GgufValueType : uint
{
    /// <summary>8 bits without sign.</summary>
    UInt8 = 0,
    /// <summary>8 bits with sign.</summary>
    Int8 = 1,
    /// <summary>16 bits without sign.</summary>
    UInt16 = 2,
    /// <summary>16 bits with sign.</summary>
    Int16 = 3,
    /// <summary>32 bits without sign.</summary>
    UInt32 = 4,
    /// <summary>32 bits with sign.</summary>
    Int32 = 5,
    /// <summary>IEEE 754 single precision.</summary>
    Float32 = 6,
    /// <summary>One byte, 0 or 1.</summary>
    Bool = 7,
    /// <summary>A length of 64 bits, then as many bytes of UTF-8.</summary>
    String = 8,
    /// <summary>The items' type (32 bits), their number (64 bits), then the items.</summary>
    Array = 9,
    /// <summary>64 bits without sign.</summary>
    UInt64 = 10,
    /// <summary>64 bits with sign.</summary>
    Int64 = 11,
    /// <summary>IEEE 754 double precision.</summary>
    Float64 = 12,
}
