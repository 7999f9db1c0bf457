namespace EdgeLlm.Cli;

/// <summary>Where a model lies.</summary>
internal enum ModelPlace
{
    /// <summary>In the user's folder.</summary>
    User,

    /// <summary>In the folder that all users read.</summary>
    System,

    /// <summary>Beside the program.</summary>
    Program,
}
