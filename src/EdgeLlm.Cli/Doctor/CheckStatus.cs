namespace EdgeLlm.Cli.Doctor;

/// <summary>How a check came out.</summary>
internal enum CheckStatus
{
    /// <summary>As it should be.</summary>
    Ok,

    /// <summary>It works; it could be better.</summary>
    Note,

    /// <summary>Something will not work, or far slower than it could.</summary>
    Problem,
}
