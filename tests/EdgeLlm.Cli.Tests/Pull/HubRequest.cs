namespace EdgeLlm.Cli.Tests.Pull;

internal sealed record HubRequest(string Target, Dictionary<string, string> Headers)
{
    /// <summary>The first byte that is asked for.</summary>
    public int From => Headers.TryGetValue("Range", out string? range) ? int.Parse(range["bytes=".Length..^1]) : 0;

    public bool IsFile => Target.Contains("/resolve/");
}
