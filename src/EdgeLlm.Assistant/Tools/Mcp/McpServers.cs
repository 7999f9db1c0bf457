using System.Text.Json;
using EdgeLlm.Assistant.Conversation;
using EdgeLlm.Assistant.Settings;
using EdgeLlm.Sampling.Constraints;

namespace EdgeLlm.Assistant.Tools.Mcp;

/// <summary>
/// The MCP servers of config, reached beside all else: an assistant whose server is down can still switch the light. Their tools come into
/// the gate when they are known.
/// </summary>
internal sealed class McpServers : IAsyncDisposable
{
    /// <summary>Tools of one server that are taken; characters of a description, and of a schema.</summary>
    public const int MostTools = 32, MostDescription = 300, MostSchema = 4 << 10;

    private const int MostName = 64;

    private readonly List<McpConnection> _connections = [];
    private readonly CancellationTokenSource _stop = new();

    private McpServers()
    {
    }

    /// <summary>All servers were asked, and have answered or failed.</summary>
    public Task Ready { get; private set; } = Task.CompletedTask;

    /// <summary>Begins to ask the servers for their tools.</summary>
    /// <param name="problem">Is told what can't be reached or taken.</param>
    public static McpServers Start(IReadOnlyList<McpSettings> servers, ToolGate gate, Action<string> problem)
    {
        var all = new McpServers();
        all._connections.AddRange(servers.Select(static server => new McpConnection(server)));
        all.Ready =
            Task.WhenAll(all._connections.Select(connection => Task.Run(() => AddToolsAsync(connection, gate, problem, all._stop.Token))));
        return all;
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        await Ready.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        foreach (McpConnection connection in _connections) await connection.DisposeAsync().ConfigureAwait(false);
        _stop.Dispose();
    }

    private static async Task AddToolsAsync(McpConnection connection, ToolGate gate, Action<string> problem, CancellationToken cancellation)
    {
        try
        {
            var taken = new List<Tool>();
            foreach ((string name, string description, JsonElement schema) in await connection.ListAsync(MostTools, cancellation)
                .ConfigureAwait(false))
            {
                if (ToolOf(connection, name, description, schema, out string? reason) is { } tool) taken.Add(tool);
                else problem($"mcp {connection.Settings.Name}: the tool {Printable.Line(name, 60)} is left out: {reason}");
            }
            gate.Add(taken);
        }
        catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
        {
            // The end.
        }
        catch (Exception exception) when (exception is not OutOfMemoryException)
        {
            problem($"mcp {connection.Settings.Name}: {Printable.Line(McpConnection.Reason(exception), 300)}");
        }
    }

    /// <summary>A server's tool, if its name and schema are fit for a model's grammar and our checks.</summary>
    private static Tool? ToolOf(McpConnection connection, string name, string description, JsonElement schema, out string? reason)
    {
        reason = name.Length is 0 or > MostName
            || !name.All(static character => char.IsAsciiLetterOrDigit(character) || character is '_' or '-')
            ? "its name must consist of letters, digits, - and _"
            : schema.ValueKind != JsonValueKind.Object || schema.GetRawText().Length > MostSchema
            ? $"its schema must be an object of at most {MostSchema >> 10} kB" : null;
        if (reason is not null) return null;
        try
        {
            var tool =
                new McpTool(connection, name, ForeignText.Clean(description.Replace('\n', ' '), MostDescription), WithProperties(schema));
            _ = new SchemaDocument(tool.Parameters, new CompileBudget());
            _ = CallGrammar.For([tool]);
            return tool;
        }
        catch (Exception exception) when (exception is ConstraintException or JsonException or InvalidOperationException
            or ArgumentException or KeyNotFoundException)
        {
            reason = Printable.Line(exception.Message, 120);
            return null;
        }
    }

    /// <summary>The schema with `properties`, which a model is shown.</summary>
    private static string WithProperties(JsonElement schema)
    {
        if (schema.TryGetProperty("properties", out JsonElement properties))
            return properties.ValueKind == JsonValueKind.Object ? schema.GetRawText()
                : throw new ArgumentException("\"properties\" must be an object");
        string rest = schema.GetRawText().Trim()[1..];
        return "{\"properties\":{}" + (rest.TrimStart().StartsWith('}') ? rest : "," + rest);
    }
}

/// <summary>
/// A tool of an MCP server. It takes a confirmation unless config lists it as trusted; what it says is text that nobody vouches for.
/// </summary>
internal sealed class McpTool(McpConnection connection, string name, string description, string schema)
    : Tool($"{connection.Settings.Name}_{name}", description, schema, ToolEffect.Runs)
{
    private const int MostText = 1500, MostSpoken = 300;

    private readonly bool _isTrusted = connection.Settings.Trusted.Contains(name);

    public override bool HasUntrustedDescription => !_isTrusted;

    public override bool NeedsConfirmation(JsonElement arguments) => !_isTrusted;

    /// <summary>With the arguments: what a person says yes to.</summary>
    public override string Question(JsonElement arguments, Intents.Vocabulary words) =>
        words.Say("confirm.run", $"{Name.Replace('_', ' ')} {Printable.Line(arguments.GetRawText(), 120)}");

    public override async Task<ToolResult> RunAsync(JsonElement arguments, Turn turn, CancellationToken cancellation)
    {
        try
        {
            (string text, bool isError) = await connection.CallAsync(name, arguments, cancellation).ConfigureAwait(false);
            text = ForeignText.Clean(text.Trim(), MostText);
            if (isError) return ToolResult.Failed(text, turn.Language.Say("broken", Name.Replace('_', ' '))) with { IsUntrusted = true };
            return ToolResult.Done(text.Length > 0 ? text : "done",
                text.Length > 0 ? Printable.Line(text.Replace('\n', ' '), MostSpoken) : turn.Language.Say("done")) with
            {
                IsUntrusted = true,
            };
        }
        catch (Exception exception) when (exception is not (OperationCanceledException or OutOfMemoryException))
        {
            return ToolResult.Failed(ForeignText.Clean(McpConnection.Reason(exception), 300),
                turn.Language.Say("broken", Name.Replace('_', ' '))) with
            {
                IsUntrusted = true,
            };
        }
    }
}
