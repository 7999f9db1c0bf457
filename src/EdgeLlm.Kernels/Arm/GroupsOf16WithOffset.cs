namespace EdgeLlm.Kernels.Arm;

/// <summary>As Q2_K.</summary>
internal readonly struct GroupsOf16WithOffset : IPanelLayout
{
    public static bool HasGroupsOf16 => true;

    public static bool HasOffset => true;
}
