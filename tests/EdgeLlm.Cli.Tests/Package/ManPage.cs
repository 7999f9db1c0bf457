using System.CommandLine;
using System.Text;

namespace EdgeLlm.Cli.Tests.Package;

/// <summary>The part of tools/package/edgellm.1 that lists commands and options, made from the program's.</summary>
internal static class ManPage
{
    public const string Begin = ".\\\" Commands: made by tests/EdgeLlm.Cli.Tests/Package (EDGELLM_UPDATE=1 writes it)\n",
        End = ".\\\" End of the commands\n";

    public static string Commands()
    {
        var page = new StringBuilder();
        foreach (Command command in CommandTree.Commands)
        {
            page.Append(
                $".SS edgellm {command.Name}{string.Concat(command.Arguments.Select(argument => " " + Words(argument)))}\n{Text(command.Description)}\n");
            if (command.Aliases.Count > 0) page.Append($"Also \\fBedgellm {string.Join("\\fR, \\fBedgellm ", command.Aliases)}\\fR.\n");
            foreach (Argument argument in command.Arguments.Where(argument => argument.Description is not null))
                page.Append($".TP\n{Words(argument)}\n{Text(argument.Description)}\n");
            foreach (Option option in CommandTree.OptionsOf(command))
            {
                string value = CommandTree.TakesValue(option) ? $" \\fI{Escaped(option.HelpName ?? "VALUE")}\\fR" : "";
                page.Append(
                    $".TP\n{string.Join(", ", CommandTree.NamesOf(option).Select(name => $"\\fB{Escaped(name)}\\fR"))}{value}\n{Text(option.Description)}\n");
            }
        }
        return page.ToString();
    }

    private static string Words(Argument argument)
    {
        string name = $"\\fI{Escaped(argument.HelpName ?? argument.Name.ToUpperInvariant())}\\fR";
        return argument.Arity.MinimumNumberOfValues == 0 ? $"[{name}]" : name;
    }

    /// <summary>A sentence; one that begins with a dot or a quote would be a command of the formatter's.</summary>
    private static string Text(string? text)
    {
        string line = Escaped((text ?? "").Replace("`", "", StringComparison.Ordinal));
        if (line.Length > 0 && line[^1] is not ('.' or ')')) line += ".";
        return line.StartsWith('.') || line.StartsWith('\'') ? "\\&" + line : line;
    }

    private static string Escaped(string text) =>
        text.Replace("\\", "\\e", StringComparison.Ordinal).Replace("-", "\\-", StringComparison.Ordinal);
}
