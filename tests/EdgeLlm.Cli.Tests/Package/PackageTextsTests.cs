using System.Diagnostics;
using EdgeLlm.Tests;

namespace EdgeLlm.Cli.Tests.Package;

/// <summary>What the packages have beside the program: the man page and the shells' completions know every command and option.</summary>
public sealed class PackageTextsTests
{
    private static string Folder => Path.Combine(SharedFolder.RepositoryRoot, "tools", "package");

    private static void RequireEqual(string expected, string actual, string name) =>
        Assert.True(expected == actual,
            $"tools/package: {name} is not what the program's commands and options are; this test with EDGELLM_UPDATE=1 in the "
                + "environment writes it anew");

    private static bool Updates => Environment.GetEnvironmentVariable("EDGELLM_UPDATE") == "1";

    [Theory]
    [InlineData("edgellm.bash")]
    [InlineData("_edgellm")]
    [InlineData("edgellm.fish")]
    public void Completions_are_those_of_the_program(string name)
    {
        string path = Path.Combine(Folder, "completions", name);
        string expected = name switch
        {
            "edgellm.bash" => CompletionScripts.Bash(),
            "_edgellm" => CompletionScripts.Zsh(),
            _ => CompletionScripts.Fish(),
        };
        if (Updates) File.WriteAllText(path, expected);
        RequireEqual(expected, File.ReadAllText(path), name);
    }

    [Fact]
    public void The_man_page_has_all_commands_and_options()
    {
        string path = Path.Combine(Folder, "edgellm.1"), page = File.ReadAllText(path);
        int begin = page.IndexOf(ManPage.Begin, StringComparison.Ordinal) + ManPage.Begin.Length,
            end = page.IndexOf(ManPage.End, StringComparison.Ordinal);
        if (Updates) File.WriteAllText(path, page = page[..begin] + ManPage.Commands() + page[end..]);
        end = page.IndexOf(ManPage.End, StringComparison.Ordinal);
        RequireEqual(ManPage.Commands(), page[begin..end], "edgellm.1");
    }

    [Theory]
    [InlineData("edgellm ru", "run")]
    [InlineData("edgellm run --temp", "--temperature --temp")]
    [InlineData("edgellm run --when-full ", "cut drop refuse")]
    [InlineData("edgellm run --kernel s", "scalar")]
    [InlineData("edgellm run smol", "smollm-tiny")]
    [InlineData("edgellm show -m x smol", "smollm-tiny")]
    [InlineData("edgellm serve --model smol", "smollm-tiny")]
    [InlineData("edgellm run -n ", "")]
    public async Task Bash_completes_commands_options_values_and_models(string typed, string expected)
    {
        Assert.SkipUnless(File.Exists("/bin/bash"), "takes bash, which is not here");
        string script = $$"""
            edgellm() { case $1 in list) echo smollm-tiny;; kernels) printf '%s\n' avx2 scalar;; esac; }
            source '{{Path.Combine(Folder, "completions", "edgellm.bash")}}'
            typed='{{typed}}'
            read -ra COMP_WORDS <<< "$typed"
            [[ $typed == *' ' ]] && COMP_WORDS+=('')
            COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
            _edgellm
            echo "${COMPREPLY[@]}"
            """;
        using var bash =
            Process.Start(new ProcessStartInfo("/bin/bash", ["-c", script])
            {
                RedirectStandardOutput = true,
                WorkingDirectory = Path.Combine(Folder, "completions")
            })!;
        Assert.Equal(expected, (await bash.StandardOutput.ReadToEndAsync()).Trim());
    }

    /// <summary>
    /// Typed with Tab at a real zsh at a terminal of its own (zpty): what stands on the line then, or is listed below it.
    /// </summary>
    [Theory]
    [InlineData("edgellm ru\t", "edgellm run ")]
    [InlineData("edgellm --v\t", "edgellm --version ")]
    [InlineData("edgellm run --when-full \t", "drop", "refuse")]
    [InlineData("edgellm run --when-full d\t", "edgellm run --when-full drop ")]
    [InlineData("edgellm run smol\t", "edgellm run smollm-tiny ")]
    [InlineData("edgellm serve --model smol\t", "edgellm serve --model smollm-tiny ")]
    [InlineData("edgellm run --kernel sc\t", "edgellm run --kernel scalar ")]
    [InlineData("edgellm run --chat-template vic\t", "edgellm run --chat-template vicuna ")]
    [InlineData("edgellm quantize --type q4_\t", "q4_0", "q4_k")]
    [InlineData("edgellm run --temp\t", "--temperature", "0: always the likeliest token")]
    [InlineData("edgellm serve --deco\t", "edgellm serve --decode-threads ")]
    [InlineData("edgellm pu\t--sys\t", "--system ")]
    [InlineData("edgellm \t", "Ask a model", "Show what a running service has loaded and does")]
    public async Task Zsh_completes_commands_options_values_and_models(string typed, params string[] expected)
    {
        Assert.SkipUnless(File.Exists("/usr/bin/zsh"), "takes zsh, which is not here");
        string script = $$"""
            zmodload zsh/zpty
            zpty shell 'TERM=dumb zsh -f -i'
            zpty -w shell "PS1='' RPS1=''; unsetopt zle_bracketed_paste; stty -echo cols 200; fpath=('{{Path.Combine(Folder, "completions")}}' \$fpath); autoload -Uz compinit; compinit -u -D; zstyle ':completion:*' list-prompt ''"
            zpty -w shell 'edgellm() { case $1 in (list) echo smollm-tiny;; (kernels) print -l avx2 scalar;; esac }'
            zpty -w shell 'echo re''ady'
            zpty -r -m shell line '*ready*'
            zpty -w -n shell $'{{typed}}'
            shown=''
            repeat 400; do
              while zpty -r -t shell line; do shown+=$line; done
              missing=0
              for text in "$@"; do [[ $shown == *"$text"* ]] || missing=1; done
              ((missing)) || break
              sleep 0.05
            done
            print -r -- "$shown"
            zpty -d shell
            """;
        string shown = await OutputOfAsync("/usr/bin/zsh", ["-f", "-c", script, "zsh", .. expected]);
        Assert.All(expected, text => Assert.Contains(text, shown, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("edgellm ru", "run")]
    [InlineData("edgellm run --when-full ", "cut", "drop", "refuse")]
    [InlineData("edgellm run smol", "smollm-tiny")]
    [InlineData("edgellm serve --model smol", "smollm-tiny")]
    [InlineData("edgellm run --kernel ", "avx2", "scalar")]
    [InlineData("edgellm run --chat-template vic", "vicuna")]
    [InlineData("edgellm run --temp", "--temp", "--temperature")]
    [InlineData("edgellm quantize --type q4_", "q4_0", "q4_k")]
    [InlineData("edgellm run -n ")]
    public async Task Fish_completes_commands_options_values_and_models(string typed, params string[] expected)
    {
        Assert.SkipUnless(File.Exists("/usr/bin/fish"), "takes fish, which is not here");
        string script = $$"""
            function edgellm; switch $argv[1]; case list; echo smollm-tiny; case kernels; printf '%s\n' avx2 scalar; end; end
            source '{{Path.Combine(Folder, "completions", "edgellm.fish")}}'
            complete -C '{{typed}}'
            """;
        string[] words = [.. (await OutputOfAsync("/usr/bin/fish", "-N", "-c", script)).Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(line => line.Split('\t')[0]).Order(StringComparer.Ordinal)];
        Assert.Equal(expected, words);
    }

    private static async Task<string> OutputOfAsync(string program, params string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            RedirectStandardOutput = true,
            RedirectStandardInput = true,
            WorkingDirectory = Path.Combine(Folder, "completions"),
        };
        using var home = new TemporaryFolder(); // fish makes folders in it
        start.Environment["HOME"] = home.Root;
        start.Environment.Remove("XDG_CONFIG_HOME");
        start.Environment.Remove("XDG_DATA_HOME");
        using var process = Process.Start(start)!;
        process.StandardInput.Close();
        return await process.StandardOutput.ReadToEndAsync();
    }
}
