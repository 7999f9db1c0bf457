namespace EdgeLlm.Kernels.Arm;

/// <summary>As Q4_0.</summary>
internal readonly struct GroupsOf32 : IPanelLayout
{
    public static bool HasGroupsOf16 => false;

    public static bool HasOffset => false;
}
