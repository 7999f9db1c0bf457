using System.IO.Enumeration;

namespace EdgeLlm.Server.Settings;

/// <summary>
/// Web pages that may call the service, by the origin that browsers send for them: `http://panel.local:8080`, or with `*` for any
/// characters, such as `http://localhost:*` and `app://*`; `*` alone is every page.
/// </summary>
internal sealed class AllowedOrigin
{
    private readonly string _pattern;

    private AllowedOrigin(string pattern) => _pattern = pattern;

    /// <summary>
    /// Origins that Ollama allows where nothing is set (its envconfig): pages of this machine, and programs made of pages such as Obsidian.
    /// </summary>
    public static IReadOnlyList<AllowedOrigin> Usual { get; } =
    [
        .. from host in new[] { "localhost", "127.0.0.1", "0.0.0.0", "[::1]" }
           from scheme in new[] { "http", "https" }
           from port in new[] { "", ":*" }
           select new AllowedOrigin($"{scheme}://{host}{port}"),
        .. from scheme in new[] { "app", "file", "tauri", "vscode-webview", "vscode-file" } select new AllowedOrigin($"{scheme}://*"),
    ];

    /// <summary>Reads one.</summary>
    /// <exception cref="FormatException">No origin that a browser sends can match it; the message says what can.</exception>
    public static AllowedOrigin Parse(string text)
    {
        if (text == "*") return new AllowedOrigin(text);
        int colon = text.IndexOf("://", StringComparison.Ordinal);
        string scheme = colon < 0 ? "" : text[..colon], host = colon < 0 ? "" : text[(colon + 3)..];
        if (host.EndsWith('/')) host = host[..^1];
        if (!Uri.CheckSchemeName(scheme.Replace('*', 'a')) || host.Any(c => c is <= ' ' or > '~' or '/' or '\\' or '?' or '#' or '@'))
            throw new FormatException(
                "web pages such as http://panel.local:8080, http://localhost:*, app://* or * for all, without a path");
        // Browsers leave out the port that the scheme has anyway.
        string usual = scheme.ToLowerInvariant() switch { "http" => ":80", "https" => ":443", _ => ":" };
        return new AllowedOrigin($"{scheme}://{(host.EndsWith(usual, StringComparison.Ordinal) ? host[..^usual.Length] : host)}");
    }

    /// <summary>Whether a page of this origin may call.</summary>
    public bool Matches(string origin) => FileSystemName.MatchesSimpleExpression(_pattern, origin, ignoreCase: true);
}
