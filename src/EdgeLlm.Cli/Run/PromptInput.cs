using System.Text;
using EdgeLlm.Files;

namespace EdgeLlm.Cli.Run;

/// <summary>Standard input as a prompt, or as what a prompt is about: `edgellm run "Summarise:" &lt; report.txt`.</summary>
internal static class PromptInput
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);

    /// <summary>The prompt, a blank line, and the input; where one of them is empty, the other.</summary>
    public static string? Join(string? prompt, string input)
    {
        if (string.IsNullOrWhiteSpace(prompt)) return input;
        return string.IsNullOrWhiteSpace(input) ? prompt : $"{prompt}\n\n{input}";
    }

    /// <summary>
    /// All of standard input, without the line end at its end. When nothing comes, standard error says what is waited for.
    /// </summary>
    public static async Task<string> ReadAsync(CancellationToken cancellation)
    {
        Task<byte[]> all = Task.Run(ReadAll, cancellation);
        string text = Encoding.UTF8.GetString(await all.ConfigureAwait(false)).TrimStart('\uFEFF');
        return text.EndsWith('\n') ? text[..(text.EndsWith("\r\n", StringComparison.Ordinal) ? ^2 : ^1)] : text;
    }

    private static byte[] ReadAll()
    {
        const string Name = "standard input";
        using Stream input = StandardStreams.OpenInput();
        byte[] head = new byte[1];
        using (var note = new Timer(static _ => Console.Error.WriteLine(
            "edgellm: waits for the end of standard input (--no-stdin does without it)"), null, Patience, Timeout.InfiniteTimeSpan))
        {
            if (input.Read(head) == 0) return [];
        }
        return [.. head, .. InputFile.ReadToEnd(Name, input, InputFile.MostTextBytes)];
    }
}
