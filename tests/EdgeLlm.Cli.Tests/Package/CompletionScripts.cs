using System.CommandLine;
using System.Text;

namespace EdgeLlm.Cli.Tests.Package;

/// <summary>The completions of tools/package/completions, made from the program's commands.</summary>
internal static class CompletionScripts
{
    private const string Origin = "made from the program's commands by tests/EdgeLlm.Cli.Tests/Package (EDGELLM_UPDATE=1 writes it)";

    public static string Bash()
    {
        var script = new StringBuilder($$"""
            # bash completion for edgellm, {{Origin}}

            _edgellm() {
              local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} command='' options='' i
              for ((i = 1; i < COMP_CWORD; i++)); do
                if [[ ${COMP_WORDS[i]} != -* ]]; then command=${COMP_WORDS[i]}; break; fi
              done
              COMPREPLY=()
              case $command in

            """.ReplaceLineEndings("\n"));
        script.Append($"    '') options='{string.Join(' ', CommandTree.Commands.SelectMany(command => command.Aliases.Prepend(command.Name)))} --help --version' ;;\n");
        foreach (Command command in CommandTree.Commands)
            script.Append($"    {string.Join(" | ", command.Aliases.Prepend(command.Name))}) options='{string.Join(' ', CommandTree.OptionsOf(command).SelectMany(CommandTree.NamesOf))} --help' ;;\n");
        script.Append("  esac\n  case $command:$previous in\n");
        foreach (Command command in CommandTree.Commands)
        {
            foreach (Option option in CommandTree.OptionsOf(command).Where(CommandTree.TakesValue))
            {
                string patterns = string.Join(" | ", command.Aliases.Prepend(command.Name).SelectMany(name => CommandTree.NamesOf(option).Select(other => $"{name}:{other}")));
                script.Append($"    {patterns}) {BashWords(option.HelpName)} return ;;\n");
            }
        }
        script.Append("  esac\n  if [[ $word == -* || -z $command ]]; then\n    COMPREPLY=($(compgen -W \"$options\" -- \"$word\"))\n    return\n  fi\n  case $command in\n");
        foreach (Command command in CommandTree.Commands.Where(command => command.Arguments.Count > 0 || command.Name == "run"))
            script.Append($"    {string.Join(" | ", command.Aliases.Prepend(command.Name))}) {BashWords(ArgumentOf(command))} ;;\n");
        script.Append("  esac\n}\n\ncomplete -o filenames -F _edgellm edgellm\n");
        return script.ToString();
    }

    public static string Zsh()
    {
        var script = new StringBuilder($$"""
            #compdef edgellm
            # zsh completion for edgellm, {{Origin}}

            _edgellm_models() {
              local -a names
              names=(${(f)"$(edgellm list --names 2> /dev/null)"})
              compadd -a names
              _files -g '*.gguf'
            }

            _edgellm() {
              local -a commands
              commands=(

            """.ReplaceLineEndings("\n"));
        foreach (Command command in CommandTree.Commands)
        {
            foreach (string name in command.Aliases.Prepend(command.Name)) script.Append($"    '{name}:{ZshText(CommandTree.Short(command.Description))}'\n");
        }
        script.Append("  )\n  if ((CURRENT == 2)); then\n    _describe command commands\n    return\n  fi\n  shift words\n  ((CURRENT--))\n  case $words[1] in\n");
        foreach (Command command in CommandTree.Commands)
        {
            script.Append($"    {string.Join('|', command.Aliases.Prepend(command.Name))})\n      _arguments '--help[Show help]'");
            foreach (Option option in CommandTree.OptionsOf(command))
            {
                string value = CommandTree.TakesValue(option) ? $":{ZshText(option.HelpName ?? "VALUE")}:{ZshAction(option.HelpName)}" : "";
                foreach (string name in CommandTree.NamesOf(option)) script.Append($" \\\n        '{name}[{ZshText(CommandTree.Short(option.Description))}]{value}'");
            }
            if (ArgumentOf(command) is { } argument) script.Append($" \\\n        '*:{ZshText(argument)}:{ZshAction(argument)}'");
            script.Append("\n      ;;\n");
        }
        script.Append("  esac\n}\n\n_edgellm \"$@\"\n");
        return script.ToString();
    }

    public static string Fish()
    {
        var script = new StringBuilder($"# fish completion for edgellm, {Origin}\n\ncomplete -c edgellm -f\ncomplete -c edgellm -n __fish_use_subcommand -l help -d 'Show help'\ncomplete -c edgellm -n __fish_use_subcommand -l version -d 'Show the version'\n");
        foreach (Command command in CommandTree.Commands)
        {
            foreach (string name in command.Aliases.Prepend(command.Name)) script.Append($"complete -c edgellm -n __fish_use_subcommand -a {name} -d {FishText(CommandTree.Short(command.Description))}\n");
        }
        foreach (Command command in CommandTree.Commands)
        {
            string condition = $"complete -c edgellm -n '__fish_seen_subcommand_from {string.Join(' ', command.Aliases.Prepend(command.Name))}'";
            foreach (Option option in CommandTree.OptionsOf(command))
            {
                string names = string.Concat(CommandTree.NamesOf(option).Select(name => name.StartsWith("--", StringComparison.Ordinal) ? $" -l {name[2..]}" : name.Length == 2 ? $" -s {name[1..]}" : $" -o {name[1..]}"));
                script.Append($"{condition}{names}{(CommandTree.TakesValue(option) ? FishValue(option.HelpName) : "")} -d {FishText(CommandTree.Short(option.Description))}\n");
            }
            if (ArgumentOf(command) is { } argument && CommandTree.KindOf(argument) is ValueKind.Model or ValueKind.File) script.Append($"{condition}{FishValue(argument).Replace(" -r", "", StringComparison.Ordinal)}\n");
        }
        return script.ToString();
    }

    /// <summary>What a command's words are: of `run`, whose first may be a model, a model.</summary>
    private static string? ArgumentOf(Command command) => command.Name == "run" ? "MODEL" : command.Arguments.Count > 0 ? command.Arguments[0].HelpName ?? command.Arguments[0].Name.ToUpperInvariant() : null;

    private static string BashWords(string? helpName) => CommandTree.KindOf(helpName) switch
    {
        ValueKind.Model => "COMPREPLY=($(compgen -W \"$(edgellm list --names 2> /dev/null)\" -- \"$word\") $(compgen -f -- \"$word\"));",
        ValueKind.File => "COMPREPLY=($(compgen -f -- \"$word\"));",
        ValueKind.Choice => $"COMPREPLY=($(compgen -W '{string.Join(' ', CommandTree.ChoicesOf(helpName!))}' -- \"$word\"));",
        _ => "COMPREPLY=();",
    };

    private static string ZshAction(string? helpName) => CommandTree.KindOf(helpName) switch
    {
        ValueKind.Model => "_edgellm_models",
        ValueKind.File => "_files",
        ValueKind.Choice => $"({string.Join(' ', CommandTree.ChoicesOf(helpName!))})",
        _ => " ",
    };

    private static string FishValue(string? helpName) => CommandTree.KindOf(helpName) switch
    {
        ValueKind.Model => " -r -F -a '(edgellm list --names 2> /dev/null)'",
        ValueKind.File => " -r -F",
        ValueKind.Choice => $" -x -a '{string.Join(' ', CommandTree.ChoicesOf(helpName!))}'",
        _ => " -x",
    };

    private static string ZshText(string text) => text.Replace("'", "", StringComparison.Ordinal).Replace("[", "", StringComparison.Ordinal).Replace("]", "", StringComparison.Ordinal).Replace(":", " ", StringComparison.Ordinal).Replace("\\", "", StringComparison.Ordinal);

    private static string FishText(string text) => $"'{text.Replace("\\", "", StringComparison.Ordinal).Replace("'", "\\'", StringComparison.Ordinal)}'";
}
