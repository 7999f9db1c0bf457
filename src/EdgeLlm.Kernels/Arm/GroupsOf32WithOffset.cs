namespace EdgeLlm.Kernels.Arm;

/// <summary>As Q4_1.</summary>
internal readonly struct GroupsOf32WithOffset : IPanelLayout
{
    public static bool HasGroupsOf16 => false;

    public static bool HasOffset => true;
}
