using System.Text.Json;
using System.Text.RegularExpressions;
using EdgeLlm.Assistant.Intents;
using EdgeLlm.Assistant.Settings;
using EdgeLlm.Files;
using EdgeLlm.Speech.Commands;

namespace EdgeLlm.Assistant.Tools;

/// <summary>
/// Runs a program of config's list: no shell, the environment empty but for PATH, HOME and LANG, 10 s, 64 kB of output. A value goes into
/// an argument only where its pattern matches it whole, and never as a leading minus, so that it can't be an option.
/// </summary>
internal sealed class CommandTool : Tool
{
    private const int MostText = 1500, MostSpoken = 300;

    private readonly Dictionary<string, CommandSettings> _commands;

    public CommandTool(IReadOnlyList<CommandSettings> commands) : base(
        "run_command", "Runs one of these programs of the device: " + string.Join("; ", commands.Select(Describe)) + ".",
        $$$"""{"type":"object","properties":{"command":{"enum":{{{Json(commands.Select(static command => command.Name))}}}},"arguments":{"type":"object","additionalProperties":{"type":"string","maxLength":200}} },"required":["command"],"additionalProperties":false}""",
        ToolEffect.Runs) => _commands = commands.ToDictionary(static command => command.Name);

    public override bool NeedsConfirmation(JsonElement arguments) => CommandOf(arguments).NeedsConfirmation;

    public override string Question(JsonElement arguments, Vocabulary words)
    {
        IEnumerable<string> parts = ValuesOf(arguments).Select(static one => one.Value).Prepend(CommandOf(arguments).Name);
        return words.Say("confirm.run", Printable.Line(string.Join(' ', parts), 120));
    }

    public override string? Refusal(JsonElement arguments, Vocabulary words)
    {
        CommandSettings command = CommandOf(arguments);
        Dictionary<string, string> values = ValuesOf(arguments);
        foreach (string name in values.Keys)
        {
            if (!command.Arguments.ContainsKey(name)) return $"{command.Name} has no argument '{Printable.Line(name, 40)}'";
        }
        foreach (string name in command.Command.SelectMany(CommandTemplate.NamesIn).Distinct())
        {
            if (!values.TryGetValue(name, out string? value)) return $"{command.Name} needs the argument '{name}'";
            if (value.StartsWith('-')
                || !Regex.IsMatch(value, $@"\A(?:{command.Arguments[name]})\z",
                    RegexOptions.NonBacktracking | RegexOptions.CultureInvariant))
                return $"the argument '{name}' of {command.Name} is not one that is allowed";
        }
        return null;
    }

    public override async Task<ToolResult> RunAsync(JsonElement arguments, Turn turn, CancellationToken cancellation)
    {
        CommandSettings command = CommandOf(arguments);
        Dictionary<string, string> values = ValuesOf(arguments);
        try
        {
            CommandResult result = await new ExternalCommand(command.Name,
                [.. command.Command.Select(word => CommandTemplate.Fill(word, name => values[name]))])
                .RunAsync(ReadOnlyMemory<byte>.Empty, cancellation).ConfigureAwait(false);
            string text = ForeignText.Clean(result.Output.Trim(), MostText);
            if (result.ExitCode != 0)
                return ToolResult.Failed(
                    $"{command.Name} ended with code {result.ExitCode}: {ForeignText.Clean(result.Errors.Trim(), 300)}",
                    turn.Language.Say("broken", command.Name)) with
                {
                    IsUntrusted = true,
                };
            return ToolResult.Done(text.Length > 0 ? text : "done",
                text.Length > 0 ? Printable.Line(text.Replace('\n', ' '), MostSpoken) : turn.Language.Say("done")) with
            {
                IsUntrusted = text.Length > 0,
            };
        }
        catch (Exception exception) when (exception is FileException or FormatException)
        {
            return ToolResult.Failed(exception.Message, turn.Language.Say("broken", command.Name));
        }
    }

    private CommandSettings CommandOf(JsonElement arguments) => _commands[arguments.GetProperty("command").GetString()!];

    private static Dictionary<string, string> ValuesOf(JsonElement arguments) =>
        arguments.TryGetProperty("arguments", out JsonElement given)
            ? given.EnumerateObject().ToDictionary(static one => one.Name, static one => one.Value.GetString()!) : [];

    private static string Describe(CommandSettings command) =>
        $"{command.Name} ({command.Description}{(command.Arguments.Count > 0 ? ", arguments " + string.Join(", ", command.Arguments.Keys) : "")})";
}
