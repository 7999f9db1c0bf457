namespace EdgeLlm.Server.Http;

/// <summary>A request that is answered with an error; each API writes it in its own shape.</summary>
/// <param name="status">The HTTP status.</param>
/// <param name="message">What is wrong, for the client.</param>
/// <param name="code">OpenAI's word for it, or null.</param>
/// <param name="parameter">The field that is wrong, or null.</param>
internal sealed class ApiException(int status, string message, string? code = null, string? parameter = null)
    : Exception(Printable.Line(message))
{
    public int Status { get; } = status;

    public string? Code { get; } = code;

    public string? Parameter { get; } = parameter;

    /// <summary>When to try again; null where that does not help.</summary>
    public TimeSpan? RetryAfter { get; init; }

    /// <summary>A field of the request that is wrong.</summary>
    public static ApiException Field(string name, string problem) => new(400, $"{name} {problem}", parameter: name);

    /// <summary>A request of too many bytes.</summary>
    public static ApiException TooLarge() =>
        new(413, "the request has more bytes than the service takes (setting bodyLimit)", "request_too_large");

    /// <summary>A field that asks for what this version does not do.</summary>
    public static ApiException Unsupported(string name, string problem) => new(400, $"{name}: {problem}", "unsupported_value", name);
}
