using System.Text.RegularExpressions;

namespace EdgeLlm.Cli.Pull;

/// <summary>
/// Argument of `pull`: `OWNER/NAME`, after an `@` a branch, tag or commit, and after a colon a file, its name without `.gguf`, or a
/// quantization. Also an address of the hub's pages, as a browser shows it.
/// </summary>
internal sealed partial record RepositoryReference(string Repository, string Revision, string? File)
{
    public const string MainBranch = "main";

    /// <summary>Whether a text names a repository, and perhaps a file in it.</summary>
    public static bool IsRepository(string text)
    {
        try
        {
            Parse(text);
            return true;
        }
        catch (UsageException)
        {
            return false;
        }
    }

    /// <exception cref="UsageException">It is not such text.</exception>
    public static RepositoryReference Parse(string text)
    {
        if (Host().Match(text) is { Success: true } host)
        {
            string rest = text[host.Length..];
            if (PageAddress().Match(rest) is { Success: true } page)
            {
                string? file = page.Groups["file"] is { Success: true, Length: > 0 } group ? Uri.UnescapeDataString(group.Value) : null;
                return Checked(text, page.Groups["repository"].Value, Uri.UnescapeDataString(page.Groups["revision"].Value), file);
            }
            return Parts(text, rest);
        }
        if (OllamaName().Match(text) is { Success: true } name) throw new UsageException(OllamaAdvice(text, name.Groups["name"].Value));
        return Parts(text, text);
    }

    /// <summary>`OWNER/NAME`, and `@REVISION` where it is not the main branch.</summary>
    public override string ToString() => Revision == MainBranch ? Repository : $"{Repository}@{Revision}";

    private static RepositoryReference Parts(string text, string rest)
    {
        string[] parts = rest.Split(':', 2);
        string[] place = parts[0].Split('@', 2);
        return Checked(text, place[0].TrimEnd('/'), place.Length > 1 ? place[1] : MainBranch, parts.Length > 1 ? parts[1] : null);
    }

    private static RepositoryReference Checked(string text, string repository, string revision, string? file)
    {
        bool isWrong = !RepositoryName().IsMatch(repository) || repository.Contains("..", StringComparison.Ordinal)
            || !RevisionName().IsMatch(revision) || revision.Contains("..", StringComparison.Ordinal) || file == "";
        if (isWrong)
        {
            throw new UsageException($"'{Printable.Line(text, 100)}' does not name a repository: write OWNER/NAME, OWNER/NAME:FILE or "
                + "OWNER/NAME@REVISION:FILE, such as bartowski/SmolLM2-135M-Instruct-GGUF:Q4_K_M");
        }
        return new RepositoryReference(repository, revision, file);
    }

    private static string OllamaAdvice(string text, string name)
    {
        string refusal = $"'{Printable.Line(text, 100)}' does not name a repository of Hugging Face, where `pull` gets models "
            + "(Ollama's library has names like this)";
        if (RecommendedModels.Load().Find(name) is { } model) return $"{refusal}: edgellm pull {ShellWord.Quote(model.Reference)}";
        string search = "https://huggingface.co/models?library=gguf&search=" + Uri.EscapeDataString(name.Split(':')[0]);
        return $"{refusal}: look for one with GGUF in its name ({search}) and write OWNER/NAME; "
            + "`edgellm pull` alone lists small models that run here";
    }

    [GeneratedRegex(@"^[A-Za-z0-9][A-Za-z0-9._-]{0,95}/[A-Za-z0-9][A-Za-z0-9._-]{0,95}\z")]
    private static partial Regex RepositoryName();

    [GeneratedRegex(@"^[A-Za-z0-9][A-Za-z0-9._/-]{0,199}\z")]
    private static partial Regex RevisionName();

    [GeneratedRegex("^(?:https?://)?(?:huggingface|hf)[.]co/", RegexOptions.IgnoreCase)]
    private static partial Regex Host();

    [GeneratedRegex(@"^(?<repository>[^/]+/[^/]+)/(blob|resolve|tree)/(?<revision>refs/pr/\d+|[^/?#]+)(?:/(?<file>[^?#]*))?(?:[?#].*)?\z")]
    private static partial Regex PageAddress();

    [GeneratedRegex(@"^(?:(?:https?://)?(?:registry\.)?ollama\.(?:com|ai)/)?(?:library/)?(?<name>[A-Za-z0-9][\w.-]*(?::[\w.-]+)?)\z")]
    private static partial Regex OllamaName();
}
