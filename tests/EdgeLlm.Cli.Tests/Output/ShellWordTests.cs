using System.Diagnostics;

namespace EdgeLlm.Cli.Tests.Output;

public sealed class ShellWordTests
{
    [Theory]
    [InlineData("SmolLM2-135M-Instruct.Q4_K_M")]
    [InlineData("owner/name@main:Q4_0")]
    public void A_plain_name_stays_as_it_is(string text) => Assert.Equal(text, ShellWord.Quote(text));

    [Theory]
    [InlineData("$(touch x)")]
    [InlineData("a b")]
    [InlineData("it's")]
    [InlineData("'; rm -rf ~; '")]
    [InlineData("`id`")]
    [InlineData("a\\b!c")]
    [InlineData("~root")]
    [InlineData("#m")]
    [InlineData("")]
    public void A_shell_reads_back_the_word_that_was_quoted(string text)
    {
        Assert.SkipUnless(File.Exists("/bin/sh"), "needs a POSIX shell");
        var start = new ProcessStartInfo("/bin/sh", ["-c", "printf %s " + ShellWord.Quote(text)]) { RedirectStandardOutput = true };
        using Process shell = Process.Start(start)!;
        Assert.Equal(text, shell.StandardOutput.ReadToEnd());
        Assert.StartsWith("'", ShellWord.Quote(text));
    }
}
