using System.Runtime.Intrinsics;

namespace EdgeLlm.Kernels.Arm;

/// <summary>A type with blocks of 256 columns. A value of the struct stands for one group of 32 columns and knows where in a block its bits are.</summary>
internal unsafe interface ISuperBlockFormat<TSelf> where TSelf : struct, ISuperBlockFormat<TSelf>
{
    static abstract int BlockBytes { get; }

    /// <summary>True where each 16 columns have a scale, else each 32.</summary>
    static abstract bool HasGroupsOf16 { get; }

    static abstract bool HasOffset { get; }

    /// <summary>What a code is larger than the weight it stands for.</summary>
    static abstract int Bias { get; }

    /// <summary>Group 0 to 7.</summary>
    static abstract TSelf At(int group);

    /// <summary>The codes of the group's columns 0 to 15 and 16 to 31, from 0 to 63.</summary>
    (Vector128<sbyte> First, Vector128<sbyte> Second) Load(byte* block);

    /// <summary>Writes the scales of eight rows' blocks, [8 or 16 scales][8 rows], and their offsets likewise.</summary>
    static abstract void LoadScales(byte** blocks, ref HalfLanes converter, float* scales, float* offsets);
}
