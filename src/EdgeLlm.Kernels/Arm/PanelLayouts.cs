namespace EdgeLlm.Kernels.Arm;

/// <summary>Layout of a panel's groups, as a struct type parameter: a branch in the loop would cost moves of all the sums.</summary>
internal interface IPanelLayout
{
    /// <summary>True where a scale is for 16 columns, else for 32.</summary>
    static abstract bool HasGroupsOf16 { get; }

    static abstract bool HasOffset { get; }
}

/// <summary>As Q6_K.</summary>
internal readonly struct GroupsOf16 : IPanelLayout
{
    public static bool HasGroupsOf16 => true;

    public static bool HasOffset => false;
}

/// <summary>As Q2_K.</summary>
internal readonly struct GroupsOf16WithOffset : IPanelLayout
{
    public static bool HasGroupsOf16 => true;

    public static bool HasOffset => true;
}

/// <summary>As Q4_0.</summary>
internal readonly struct GroupsOf32 : IPanelLayout
{
    public static bool HasGroupsOf16 => false;

    public static bool HasOffset => false;
}

/// <summary>As Q4_1.</summary>
internal readonly struct GroupsOf32WithOffset : IPanelLayout
{
    public static bool HasGroupsOf16 => false;

    public static bool HasOffset => true;
}
