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
        script.Append($"    '') options='{string.Join(' ', CommandTree.Commands.SelectMany(CommandTree.NamesOf))} --help --version' ;;\n");
        foreach (Command command in CommandTree.Commands)
            script.Append(
                $"    {string.Join(" | ", CommandTree.NamesOf(command))}) "
                    + $"options='{string.Join(' ', [.. CommandTree.OptionsOf(command).SelectMany(CommandTree.NamesOf), "--help"])}' ;;\n");
        script.Append("  esac\n  case $command:$previous in\n");
        foreach (Command command in CommandTree.Commands)
        {
            foreach (Option option in CommandTree.OptionsOf(command).Where(CommandTree.TakesValue))
            {
                string patterns = string.Join(" | ",
                    CommandTree.NamesOf(command).SelectMany(name => CommandTree.NamesOf(option).Select(other => $"{name}:{other}")));
                script.Append($"    {patterns}) {BashWords(CompletedValue.Of(option.HelpName))} return ;;\n");
            }
        }
        script.Append(
            "  esac\n  if [[ $word == -* || -z $command ]]; then\n    COMPREPLY=($(compgen -W \"$options\" -- \"$word\"))\n    return\n "
                + " fi\n  case $command in\n");
        foreach (Command command in CommandTree.Commands)
        {
            if (CommandTree.WordsOf(command) is { } words)
                script.Append($"    {string.Join(" | ", CommandTree.NamesOf(command))}) {BashWords(words)} ;;\n");
        }
        script.Append("  esac\n}\n\ncomplete -o filenames -F _edgellm edgellm\n");
        return script.ToString();
    }

    public static string Zsh()
    {
        var script = new StringBuilder($$"""
            #compdef edgellm
            # zsh completion for edgellm, {{Origin}}

            _edgellm_words() { # --files, words
              local -i files=0
              if [[ $1 == --files ]]; then files=1; shift; fi
              (($#)) && compadd -- "$@"
              ((files)) && _files
            }

            _edgellm() {
              local -a commands
              commands=(

            """.ReplaceLineEndings("\n"));
        foreach (Command command in CommandTree.Commands)
        {
            foreach (string name in CommandTree.NamesOf(command))
                script.Append($"    {ShellText($"{name}:{CommandTree.Short(command.Description)}")}\n");
        }
        script.Append(
            "  )\n  if ((CURRENT == 2)); then\n    if [[ $words[2] == -* ]]; then compadd -- --help --version; else _describe command "
                + "commands; fi\n    return\n  fi\n  shift words\n  ((CURRENT--))\n  case $words[1] in\n");
        foreach (Command command in CommandTree.Commands)
        {
            script.Append($"    {string.Join('|', CommandTree.NamesOf(command))})\n      _arguments '--help[Show help]'");
            foreach (Option option in CommandTree.OptionsOf(command))
            {
                string[] names = CommandTree.NamesOf(option);
                string value = CommandTree.TakesValue(option)
                    ? $":{ZshText(option.HelpName ?? "VALUE")}:{ZshAction(CompletedValue.Of(option.HelpName))}" : "";
                // Of several names one is enough, unless it may be given several times.
                string before = CommandTree.Repeats(option) ? "*" : names.Length > 1 ? $"({string.Join(' ', names)})" : "";
                foreach (string name in names)
                    script.Append($" \\\n        {ShellText($"{before}{name}[{ZshText(CommandTree.Short(option.Description))}]{value}")}");
            }
            if (CommandTree.WordsOf(command) is { } words)
                script.Append($" \\\n        {ShellText($"*:{ZshText(words.Name)}:{ZshAction(words)}")}");
            script.Append("\n      ;;\n");
        }
        script.Append("  esac\n}\n\n_edgellm \"$@\"\n");
        return script.ToString();
    }

    public static string Fish()
    {
        var script =
            new StringBuilder(
                $"# fish completion for edgellm, {Origin}\n\ncomplete -c edgellm -f\ncomplete -c edgellm -n __fish_use_subcommand -l "
                    + "help -d 'Show help'\ncomplete -c edgellm -n __fish_use_subcommand -l version -d 'Show the version'\n");
        foreach (Command command in CommandTree.Commands)
        {
            foreach (string name in CommandTree.NamesOf(command))
                script.Append(
                    $"complete -c edgellm -n __fish_use_subcommand -a {name} -d {FishText(CommandTree.Short(command.Description))}\n");
        }
        foreach (Command command in CommandTree.Commands)
        {
            string condition = $"complete -c edgellm -n '__fish_seen_subcommand_from {string.Join(' ', CommandTree.NamesOf(command))}'";
            foreach (Option option in CommandTree.OptionsOf(command))
            {
                string names = string.Concat(CommandTree.NamesOf(option).Select(name => name.StartsWith("--", StringComparison.Ordinal)
                    ? $" -l {name[2..]}" : name.Length == 2 ? $" -s {name[1..]}" : $" -o {name[1..]}"));
                string value = CommandTree.TakesValue(option) ? FishValue(CompletedValue.Of(option.HelpName)) : "";
                script.Append($"{condition}{names}{value} -d {FishText(CommandTree.Short(option.Description))}\n");
            }
            if (CommandTree.WordsOf(command) is { Command: not null } or { IsFile: true })
                script.Append($"{condition}{FishWords(CommandTree.WordsOf(command)!)}\n");
        }
        return script.ToString();
    }

    private static string BashWords(CompletedValue value)
    {
        string[] words = [.. value.Words, .. value.Command is { } command ? [$"$({command} 2> /dev/null)"] : Array.Empty<string>()];
        string list = words.Length > 0 ? $"$(compgen -W \"{string.Join(' ', words)}\" -- \"$word\")" : "";
        string files = value.IsFile ? "$(compgen -f -- \"$word\")" : "";
        return $"COMPREPLY=({$"{list} {files}".Trim()});";
    }

    /// <summary>A call whose first space keeps zsh from adding arguments.</summary>
    private static string ZshAction(CompletedValue value)
    {
        if (value is { Words: [], Command: null }) return value.IsFile ? "_files" : " ";
        string list = string.Join(' ',
            [.. value.Words, .. value.Command is { } command ? [$"${{(f)\"$({command} 2> /dev/null)\"}}"] : Array.Empty<string>()]);
        return $" _edgellm_words {(value.IsFile ? "--files " : "")}{list}";
    }

    private static string FishValue(CompletedValue value) =>
        value is { Words: [], Command: null, IsFile: false } ? " -x" : (value.IsFile ? " -r" : " -x") + FishWords(value);

    private static string FishWords(CompletedValue value)
    {
        string list =
            string.Join(' ', [.. value.Words, .. value.Command is { } command ? [$"({command} 2> /dev/null)"] : Array.Empty<string>()]);
        return (value.IsFile ? " -F" : "") + (list.Length > 0 ? $" -a '{list}'" : "");
    }

    /// <summary>A text of a specification of _arguments: brackets and colons end its parts.</summary>
    private static string ZshText(string text) =>
        text.Replace("\\", "", StringComparison.Ordinal).Replace("[", "\\[", StringComparison.Ordinal)
            .Replace("]", "\\]", StringComparison.Ordinal).Replace(":", "\\:", StringComparison.Ordinal);

    private static string ShellText(string text) => $"'{text.Replace("'", "'\\''", StringComparison.Ordinal)}'";

    private static string FishText(string text) =>
        $"'{text.Replace("\\", "", StringComparison.Ordinal).Replace("'", "\\'", StringComparison.Ordinal)}'";
}
