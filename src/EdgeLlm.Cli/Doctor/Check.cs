namespace EdgeLlm.Cli.Doctor;

/// <summary>One thing that was looked at.</summary>
/// <param name="Name">What.</param>
/// <param name="Status">How it came out.</param>
/// <param name="Value">What was found.</param>
/// <param name="Advice">How to mend it; null where there is nothing to mend.</param>
internal sealed record Check(string Name, CheckStatus Status, string Value, string? Advice = null)
{
    public static Check Ok(string name, string value) => new(name, CheckStatus.Ok, value);

    public static Check Note(string name, string value, string advice) => new(name, CheckStatus.Note, value, advice);

    public static Check Problem(string name, string value, string advice) => new(name, CheckStatus.Problem, value, advice);
}

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
