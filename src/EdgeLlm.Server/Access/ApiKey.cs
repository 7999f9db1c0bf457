using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;

namespace EdgeLlm.Server.Access;

/// <summary>Roles of keys; each role includes those before it.</summary>
public enum KeyRole
{
    /// <summary>Inference, and to see which models there are.</summary>
    Use,

    /// <summary>Also the assistant's conversation, which can use the machine's devices.</summary>
    Device,

    /// <summary>Also to get, make, remove, load and unload models, and the admin view with its logs.</summary>
    Admin,
}

/// <summary>A client's key, as the service knows it: the key itself is shown once, when it is made, and kept nowhere.</summary>
/// <param name="Name">What people call it: letters, digits, dots, dashes and underscores.</param>
/// <param name="Role">What it allows.</param>
/// <param name="Hash">SHA-256 of the key's text, in 64 hexadecimal digits.</param>
/// <param name="Created">When it was made.</param>
public sealed record ApiKey(string Name, KeyRole Role, string Hash, DateTimeOffset Created)
{
    /// <summary>Most characters of a name.</summary>
    public const int LongestName = 64;

    /// <summary>Prefix of every key that the program makes, so that scanners for lost secrets know it.</summary>
    private const string Prefix = "edgellm_";

    /// <summary>Names of the models that it may use; null: all.</summary>
    public IReadOnlyList<string>? Models { get; init; }

    /// <summary>Most requests a minute; 0: any number.</summary>
    public int RequestsPerMinute { get; init; }

    /// <summary>Most tokens a day (UTC), those of prompts and answers together; 0: any number.</summary>
    public long TokensPerDay { get; init; }

    /// <summary>A new key of 32 random bytes.</summary>
    /// <param name="name">Its name; see <see cref="IsName"/>.</param>
    /// <param name="role">What it allows.</param>
    /// <returns>What is kept of it, and the text that clients send.</returns>
    public static (ApiKey Key, string Text) Create(string name, KeyRole role)
    {
        string text = Prefix + Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(32));
        return (new ApiKey(name, role, Convert.ToHexStringLower(HashOf(text)), DateTimeOffset.UtcNow), text);
    }

    /// <summary>Whether a text can be a key's name.</summary>
    public static bool IsName(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return text.Length is > 0 and <= LongestName && text.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '-' or '_');
    }

    /// <summary>SHA-256 of a key's text, 32 bytes.</summary>
    internal static byte[] HashOf(string text) => SHA256.HashData(Encoding.UTF8.GetBytes(text));
}
