using System.CommandLine;
using EdgeLlm.Cli.Evaluation;
using EdgeLlm.Cli.Output;
using EdgeLlm.Models;

namespace EdgeLlm.Cli.Commands;

/// <summary>`edgellm rerank`: lines of text by how well they answer a query.</summary>
internal static class RerankCommand
{
    public static Command Create()
    {
        var query = new Argument<string>("query") { HelpName = "QUERY", Description = "What is asked for" };
        var input = TextLines.Argument();
        var command = new Command("rerank",
            "Sort lines of text by a cross-encoder's score for a query, best first: a JSON object {index, score, text} a line.")
        {
            SharedOptions.Model, query, input, SharedOptions.Context, SharedOptions.Threads, SharedOptions.Kernel,
        };
        command.SetAction(async (result, cancellation) =>
        {
            string path = SharedOptions.ModelPathOf(result);
            ModelOptions options = SharedOptions.ModelOptionsOf(result);
            await Task.Run(() => Rerank(path, options, result.GetValue(query)!, result.GetValue(input), cancellation), cancellation)
                .ConfigureAwait(false);
        });
        return command;
    }

    private static void Rerank(string path, ModelOptions options, string query, string? input, CancellationToken cancellation)
    {
        using TextEncoder encoder = TextEncoder.Load(path, options);
        if (encoder.Labels != 1)
            throw new ModelException(path,
                $"has {(encoder.Labels == 0 ? "no classifier" : $"a classifier of {encoder.Labels} labels")}: rerank takes a "
                    + "cross-encoder, whose classifier has one");
        using Stream output = StandardStreams.OpenOutput();
        foreach (RankedText text in encoder.Rerank(query, [.. TextLines.Read(input)], cancellation))
        {
            JsonOutput.WriteLine(output, json =>
            {
                json.WriteNumber("index", text.Index);
                json.WriteNumber("score", text.Score);
                json.WriteString("text", text.Text);
            });
        }
    }
}
