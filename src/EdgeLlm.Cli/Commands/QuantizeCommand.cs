using System.CommandLine;
using EdgeLlm.Cli.Output;
using EdgeLlm.Gguf;
using EdgeLlm.Quantization;

namespace EdgeLlm.Cli.Commands;

/// <summary>`edgellm quantize`: a model into the packed form that runs fastest here.</summary>
internal static class QuantizeCommand
{
    private static readonly Argument<string> Input = new("input") { Description = "A GGUF file, or a model's name as `edgellm list` shows it", HelpName = "INPUT" };

    private static readonly Argument<string> Target = new("output") { Description = "The packed GGUF file to write", HelpName = "OUTPUT.gguf" };

    private static readonly Option<bool> Fast = new("--fast") { Description = "Without calibration: every weight rounded to the nearest (the one way that there is so far)", Required = true };

    private static readonly Option<bool> Force = new("--force") { Description = "Replace OUTPUT.gguf where it exists" };

    public static Command Create()
    {
        var command = new Command("quantize", "Pack a model: 4 bits for the layers, 8 for embedding and head. Takes any GGUF model that runs here.") { Input, Target, Fast, Force };
        command.SetAction(RunAsync);
        return command;
    }

    private static async Task<int> RunAsync(ParseResult result, CancellationToken cancellation)
    {
        string input = ModelStore.OfThisMachine().PathOf(result.GetValue(Input)), output = result.GetValue(Target)!;
        if (Directory.Exists(output)) throw new IOException($"{output}: is a folder; name a file");
        if (File.Exists(output) && !result.GetValue(Force)) throw new IOException($"{output}: is there already; --force replaces it");
        using GgufFile file = GgufFile.Open(input);
        var quantizer = new FastQuantizer(file);
        await ByteProgress.RunAsync("packing", quantizer.OutputBytes, (at, _) => Task.Run(() => quantizer.Save(output, at, cancellation), cancellation)).ConfigureAwait(false);
        Console.WriteLine($"{Printable.Line(output)} ({Quantity.Bytes(new FileInfo(output).Length)}, from {Quantity.Bytes(file.FileSize)})");
        return ExitCode.Success;
    }
}
