using System.Text.RegularExpressions;

namespace EdgeLlm.Cli.Pull;

/// <summary>What `pull` is asked for: `OWNER/NAME` and, after a colon, a file, its name without `.gguf`, or a quantization.</summary>
internal sealed partial record RepositoryReference(string Repository, string? File)
{
    private static readonly string[] Hosts = ["https://huggingface.co/", "huggingface.co/", "https://hf.co/", "hf.co/"];

    /// <exception cref="ArgumentException">It is no such text.</exception>
    public static RepositoryReference Parse(string text)
    {
        string host = Hosts.FirstOrDefault(host => text.StartsWith(host, StringComparison.OrdinalIgnoreCase)) ?? "";
        string[] parts = text[host.Length..].Split(':', 2);
        string repository = parts[0].TrimEnd('/');
        if (!RepositoryName().IsMatch(repository) || repository.Contains("..", StringComparison.Ordinal) || parts is [_, ""])
            throw new ArgumentException($"'{Output.Printable.Line(text)}' names no repository: write OWNER/NAME or OWNER/NAME:FILE, such as bartowski/SmolLM2-135M-Instruct-GGUF:Q4_K_M");
        return new RepositoryReference(repository, parts.Length > 1 ? parts[1] : null);
    }

    [GeneratedRegex(@"^[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*\z")]
    private static partial Regex RepositoryName();
}
