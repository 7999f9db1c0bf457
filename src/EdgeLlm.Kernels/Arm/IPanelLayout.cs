namespace EdgeLlm.Kernels.Arm;

/// <summary>What a panel's product has to do for each group, as a struct type parameter: a branch in the loop would cost moves of all the sums.</summary>
internal interface IPanelLayout
{
    /// <summary>True where a scale is for 16 columns, else for 32.</summary>
    static abstract bool HasGroupsOf16 { get; }

    static abstract bool HasOffset { get; }
}
