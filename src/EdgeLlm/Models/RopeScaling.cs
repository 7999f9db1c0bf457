namespace EdgeLlm.Models;

/// <summary>How rotary angles are stretched beyond the length that a model was trained on.</summary>
public enum RopeScaling
{
    /// <summary>Not at all.</summary>
    None,

    /// <summary>All frequencies divided by the factor.</summary>
    Linear,

    /// <summary>YaRN (arXiv 2309.00071): low frequencies divided, high ones kept, a ramp between; scores sharpened.</summary>
    Yarn,

    /// <summary>NTK-aware: the base is raised by factor^(d / (d - 2)), so that high frequencies stay and low ones stretch.</summary>
    Ntk,

    /// <summary>NTK-aware only as far as the context that was asked for exceeds the trained one.</summary>
    DynamicNtk,
}
