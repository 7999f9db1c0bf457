using System.CommandLine;
using System.Text.Json;
using EdgeLlm.Chat;
using EdgeLlm.Cli.Output;
using EdgeLlm.Files;
using EdgeLlm.Generation;
using EdgeLlm.Generation.Prefixes;
using EdgeLlm.Models;

namespace EdgeLlm.Cli.Commands;

/// <summary>`edgellm snapshot`: computes a system prompt and tools once, for a service that finds the file beside the model.</summary>
internal static class SnapshotCommand
{
    private static readonly Option<string> SystemPrompt =
        new("--system") { Description = "A file with the system prompt, exactly as clients send it", HelpName = "FILE", Required = true };
    private static readonly Option<string?> Tools =
        new("--tools") { Description = "A file with the tools, a JSON array as clients send it", HelpName = "FILE" };
    private static readonly Option<string> Output = new("--output", "-o")
    {
        Description = $"The file to write; one that is named *{PrefixFile.Extension} in the model's folder is found by itself",
        HelpName = "FILE",
        Required = true,
    };
    private static readonly Option<bool> Force = new("--force") { Description = "Replace the file if it exists" };

    public static Command Create()
    {
        var command = new Command("snapshot",
            "Compute a system prompt once: a service that finds the file answers without computing it, from its first start on.")
        {
            SharedOptions.Model, SystemPrompt, Tools, Output, Force, SharedOptions.Context, SharedOptions.ChatTemplate,
            SharedOptions.CacheType, SharedOptions.Threads, SharedOptions.Kernel,
        };
        command.SetAction((result, cancellation) => Task.Run(() => Run(result, cancellation), CancellationToken.None));
        return command;
    }

    private static int Run(ParseResult result, CancellationToken cancellation)
    {
        string output = result.GetValue(Output)!;
        string system = InputFile.ReadText(result.GetValue(SystemPrompt)!, InputFile.MostSettingsBytes).TrimStart('\uFEFF');
        JsonElement? tools = result.GetValue(Tools) is { } file ? ReadTools(file) : null;
        if (File.Exists(output) && !result.GetValue(Force))
            throw new UsageException($"{Printable.Line(output)} exists already: --force replaces it");
        AtomicFile.RequireWritable(output);
        using LanguageModel model = SharedOptions.LoadModel(result);
        List<int> tokens = new ChatFormat(model)
            .EncodeInstructions(new ChatRequest { Messages = [new ChatMessage("system", system)], Tools = tools });
        if (tokens.Count == 0)
            throw new UsageException("the model's chat template writes nothing of a system prompt: there is nothing to compute");
        if (tokens.Count >= model.ContextLength)
            throw new UsageException(
                $"the system prompt has {tokens.Count} tokens and the context {model.ContextLength}: take a longer --context");
        long bytes = PrefixSnapshot.Write(model, tokens.ToArray(), output, cancellation);
        Console.WriteLine($"{Printable.Line(output)}: {Quantity.Of(tokens.Count, "token")}, {Quantity.Bytes(bytes)}");
        return ExitCode.Success;
    }

    private static JsonElement ReadTools(string file)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(InputFile.Read(file, InputFile.MostSettingsBytes));
            if (document.RootElement.ValueKind == JsonValueKind.Array) return document.RootElement.Clone();
        }
        catch (JsonException exception)
        {
            throw new FileException(file, "is not valid JSON: " + exception.Message);
        }
        throw new FileException(file, "has to be a JSON array of tools");
    }
}
