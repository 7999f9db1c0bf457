using EdgeLlm.Server.Engine;
using EdgeLlm.Server.Http;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using ModelContextProtocol.Protocol;
using ModelContextProtocol.Server;

namespace EdgeLlm.Server.Mcp;

/// <summary>
/// `POST /mcp`: the Model Context Protocol over HTTP (Streamable HTTP without sessions), so that agents can use the models as tools.
/// </summary>
internal sealed class McpEndpoint
{
    private readonly McpServerPrimitiveCollection<McpServerTool> _tools = [];
    private readonly ServerLog _log;

    public McpEndpoint(InferenceEngine engine, Hearing hearing, ServerLog log)
    {
        _log = log;
        foreach (ServiceTool tool in new ModelTools(engine).All) Add(tool);
        if (hearing.IsThere) Add(new HearingTool(hearing).Transcribe);
    }

    /// <exception cref="ArgumentException">There is a tool of this name, or its schema is not JSON.</exception>
    public void Add(ServiceTool tool)
    {
        if (!_tools.TryAdd(new McpTool(tool, Describe)))
            throw new ArgumentException($"there is a tool '{tool.Name}' already", nameof(tool));
    }

    public void Register(IServiceCollection services) => services.AddMcpServer(options =>
    {
        options.ServerInfo = new Implementation { Name = "edgellm", Version = typeof(McpEndpoint).Assembly.GetName().Version!.ToString(3) };
        options.ToolCollection = _tools;
    }).WithHttpTransport(options => options.Stateless = true);

    public static void Map(IEndpointRouteBuilder routes) => routes.MapMcp("/mcp");

    private string Describe(Exception exception)
    {
        ApiError error = ApiError.Of(exception, forOpenAi: true);
        if (error.Status == 500) _log.Error($"/mcp: {exception}");
        return error.Message;
    }
}
