namespace EdgeLlm.Kernels.Arm;

/// <summary>As Q6_K.</summary>
internal readonly struct GroupsOf16 : IPanelLayout
{
    public static bool HasGroupsOf16 => true;

    public static bool HasOffset => false;
}
