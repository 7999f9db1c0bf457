using System.Text;
using EdgeLlm.Files;

namespace EdgeLlm.Cli.Pull;

/// <summary>Token for a user's private and gated repositories.</summary>
/// <param name="Value">Sent as bearer.</param>
/// <param name="Source">The variable or file that it comes from, for messages.</param>
internal sealed record HubToken(string Value, string Source)
{
    private const int LongestFile = 4096;

    /// <summary>
    /// The token where Hugging Face's own tools look for it: HF_TOKEN, HUGGING_FACE_HUB_TOKEN, the file HF_TOKEN_PATH, and the file that
    /// `hf auth login` writes, `token` in HF_HOME, in `huggingface` in XDG_CACHE_HOME, or in ~/.cache/huggingface (huggingface_hub's
    /// constants.py). Null where there is none.
    /// </summary>
    /// <param name="variable">A variable of the environment, or null.</param>
    /// <exception cref="UsageException">A variable has characters that no token has.</exception>
    /// <exception cref="IOException">The file that HF_TOKEN_PATH names can't be read, or a file has characters that no token
    /// has.</exception>
    public static HubToken? Find(Func<string, string?> variable)
    {
        foreach (string name in (string[])["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"])
        {
            if (Clean(variable(name), name) is { } token) return token;
        }
        if (variable("HF_HUB_DISABLE_IMPLICIT_TOKEN") is "1" or "true" or "TRUE" or "yes" or "YES" or "on" or "ON") return null;
        string user = Environment.GetFolderPath(Environment.SpecialFolder.UserProfile);
        string? named = Path(variable("HF_TOKEN_PATH"), user);
        string home = Path(variable("HF_HOME"), user)
            ?? System.IO.Path.Combine(Path(variable("XDG_CACHE_HOME"), user) ?? System.IO.Path.Combine(user, ".cache"), "huggingface");
        string path = named ?? System.IO.Path.Combine(home, "token");
        if (FileStatus.Of(path) is null) return null;
        try
        {
            return Clean(Read(path), path);
        }
        catch (IOException exception)
        {
            if (named is null) return null;
            throw new IOException($"HF_TOKEN_PATH names a file that can't be used: {exception.Message}");
        }
        catch (UsageException exception)
        {
            throw new IOException(exception.Message); // the file is wrong, and not the command line
        }
    }

    private static string? Path(string? text, string home)
    {
        if (string.IsNullOrWhiteSpace(text)) return null;
        return text == "~" || text.StartsWith("~/", StringComparison.Ordinal) ? home + text[1..] : text;
    }

    private static string Read(string path)
    {
        using FileStream stream = InputFile.Open(path);
        var bytes = new byte[LongestFile];
        return Encoding.UTF8.GetString(bytes, 0, stream.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false));
    }

    private static HubToken? Clean(string? text, string source)
    {
        string value = text?.Trim() ?? "";
        if (value.Length == 0) return null;
        if (value.Any(letter => letter is <= ' ' or > '~')) throw new UsageException($"{source} has characters that no token has");
        return new HubToken(value, source);
    }
}
