using System.Diagnostics;
using EdgeLlm.Tests;

namespace EdgeLlm.Cli.Tests.Package;

/// <summary>What the packages have beside the program: the man page and the shells' completions know every command and option.</summary>
public sealed class PackageTextsTests
{
    private static string Folder => Path.Combine(SharedFolder.RepositoryRoot, "tools", "package");

    private static void RequireEqual(string expected, string actual, string name) =>
        Assert.True(expected == actual, $"tools/package: {name} is not what the program's commands and options are; this test with EDGELLM_UPDATE=1 in the environment writes it anew");

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
        int begin = page.IndexOf(ManPage.Begin, StringComparison.Ordinal) + ManPage.Begin.Length, end = page.IndexOf(ManPage.End, StringComparison.Ordinal);
        if (Updates) File.WriteAllText(path, page = page[..begin] + ManPage.Commands() + page[end..]);
        end = page.IndexOf(ManPage.End, StringComparison.Ordinal);
        RequireEqual(ManPage.Commands(), page[begin..end], "edgellm.1");
    }

    [Theory]
    [InlineData("edgellm ru", "run")]
    [InlineData("edgellm run --temp", "--temperature --temp")]
    [InlineData("edgellm run --when-full ", "error drop")]
    [InlineData("edgellm run smol", "smollm-tiny")]
    [InlineData("edgellm show -m x smol", "smollm-tiny")]
    [InlineData("edgellm serve --model smol", "smollm-tiny")]
    [InlineData("edgellm run -n ", "")]
    public async Task Bash_completes_commands_options_values_and_models(string typed, string expected)
    {
        Assert.SkipUnless(File.Exists("/bin/bash"), "takes bash, which is not here");
        string script = $$"""
            edgellm() { [[ $1 == list ]] && echo smollm-tiny; }
            source '{{Path.Combine(Folder, "completions", "edgellm.bash")}}'
            typed='{{typed}}'
            read -ra COMP_WORDS <<< "$typed"
            [[ $typed == *' ' ]] && COMP_WORDS+=('')
            COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
            _edgellm
            echo "${COMPREPLY[@]}"
            """;
        using var bash = Process.Start(new ProcessStartInfo("/bin/bash", ["-c", script]) { RedirectStandardOutput = true, WorkingDirectory = Path.Combine(Folder, "completions") })!;
        Assert.Equal(expected, (await bash.StandardOutput.ReadToEndAsync()).Trim());
    }
}
