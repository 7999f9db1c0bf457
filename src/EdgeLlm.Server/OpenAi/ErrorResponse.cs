using System.Text.Json.Serialization;
using EdgeLlm.Server.Http;

namespace EdgeLlm.Server.OpenAi;

/// <summary>OpenAI's error.</summary>
internal sealed record ErrorResponse(ErrorDetails Error)
{
    public static ErrorResponse Of(ApiError error) =>
        new(new ErrorDetails(error.Message, error.Type) { Param = error.Parameter, Code = error.Code });
}

internal sealed record ErrorDetails(string Message, string Type)
{
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public string? Param { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public string? Code { get; init; }
}
