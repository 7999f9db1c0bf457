using System.Text.Json;
using ModelContextProtocol.Protocol;
using ModelContextProtocol.Server;

namespace EdgeLlm.Server.Mcp;

/// <summary>
/// A tool that the service offers by the Model Context Protocol (`POST /mcp`). The assistant adds its own by
/// <see cref="ModelServer.AddTool"/>.
/// </summary>
/// <param name="Name">What clients call it.</param>
/// <param name="Description">What it does, for a model that chooses among tools.</param>
/// <param name="InputSchema">JSON Schema of the arguments, an object.</param>
/// <param name="RunAsync">
/// Receives the arguments by name and gives the answer's text. An <see cref="ArgumentException"/> says what is wrong with them; its message
/// is the tool's answer.
/// </param>
public sealed record ServiceTool(string Name, string Description, string InputSchema,
    Func<IReadOnlyDictionary<string, JsonElement>, CancellationToken, Task<string>> RunAsync);

/// <summary>The tool as the protocol's library has it. Made by hand, not out of a method: that would take reflection.</summary>
internal sealed class McpTool : McpServerTool
{
    private static readonly Dictionary<string, JsonElement> None = [];

    private readonly ServiceTool _tool;
    private readonly Func<Exception, string> _describe;

    /// <param name="describe">What a client is told of an exception.</param>
    public McpTool(ServiceTool tool, Func<Exception, string> describe)
    {
        (_tool, _describe) = (tool, describe);
        using var schema = JsonDocument.Parse(tool.InputSchema);
        ProtocolTool = new Tool { Name = tool.Name, Description = tool.Description, InputSchema = schema.RootElement.Clone() };
    }

    public override Tool ProtocolTool { get; }

    public override IReadOnlyList<object> Metadata => [];

    /// <summary>
    /// An error of the tool is an answer that says so, which the calling model can read; the protocol's own errors are for calls of no
    /// tool.
    /// </summary>
    public override async ValueTask<CallToolResult> InvokeAsync(RequestContext<CallToolRequestParams> request,
        CancellationToken cancellationToken = default)
    {
        try
        {
            var arguments = request.Params?.Arguments is { } given ? new Dictionary<string, JsonElement>(given) : None;
            return new CallToolResult
            {
                Content = [new TextContentBlock { Text = await _tool.RunAsync(arguments, cancellationToken).ConfigureAwait(false) }],
            };
        }
        catch (Exception exception) when (exception is not OperationCanceledException)
        {
            return new CallToolResult { Content = [new TextContentBlock { Text = _describe(exception) }], IsError = true };
        }
    }
}
