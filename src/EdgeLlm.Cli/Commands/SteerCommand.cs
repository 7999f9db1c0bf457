using System.CommandLine;
using EdgeLlm.Files;
using EdgeLlm.Models;
using EdgeLlm.Models.Inspection;

namespace EdgeLlm.Cli.Commands;

/// <summary>`edgellm steer`: makes a control vector of pairs of texts.</summary>
internal static class SteerCommand
{
    private static readonly Argument<string> Positive =
        new("positive") { Description = "Texts of the kind to steer to, one a line", HelpName = "POSITIVE.txt" };
    private static readonly Argument<string> Negative =
        new("negative") { Description = "Texts of the other kind: line by line the pair of the first file's", HelpName = "NEGATIVE.txt" };
    private static readonly Option<string> Output = new("--output", "-o")
    {
        Description = "The control vector to write; --control-vector takes it, and llama.cpp does",
        HelpName = "V.gguf",
        Required = true,
    };
    private static readonly Option<string?> Method = new("--method")
    {
        Description =
            "How the pairs' differences become a direction: their mean, or the direction in which they spread most (default: mean)",
        HelpName = "mean|pca",
    };
    private static readonly Option<bool> Force = new("--force") { Description = "Replace a file that is there already" };

    public static Command Create()
    {
        var command = new Command("steer", "Make a control vector from pairs of texts: what tells one kind from the other, layer by layer.")
        {
            Positive, Negative, Output, SharedOptions.Model, Method, Force, SharedOptions.Context,
            SharedOptions.Threads, SharedOptions.Kernel,
        };
        command.SetAction((result, cancellation) => Task.Run(() => Run(result, cancellation), cancellation));
        return command;
    }

    private static int Run(ParseResult result, CancellationToken cancellation)
    {
        SteeringMethod method = result.GetValue(Method) switch
        {
            null or "mean" => SteeringMethod.Mean,
            "pca" => SteeringMethod.Pca,
            var other => throw new UsageException($"--method takes mean or pca, not '{Printable.Line(other, 40)}'"),
        };
        string first = result.GetValue(Positive)!, second = result.GetValue(Negative)!, output = result.GetValue(Output)!,
            path = SharedOptions.ModelPathOf(result);
        OutputFile.Require(output, result.GetValue(Force), [.. Quantize.QuantizeSource.FilesOf(path), first, second]);
        using LanguageModel model = SharedOptions.LoadModel(result, path);
        int[][] positive = TextsOf(first, model), negative = TextsOf(second, model);
        if (positive.Length != negative.Length)
            throw new InvalidDataException(
                $"{second}: has {negative.Length} texts, and {first} {positive.Length}: they are pairs, line by line");
        if (positive.Length == 0) throw new InvalidDataException($"{first}: has no texts");
        new Steering(model).Make(positive, negative, method, StoredModel.NameOf(output), cancellation)
            .Save(output, model.Info.Architecture);
        Console.WriteLine(
            Printable.Line($"{output}: from {positive.Length} pairs; edgellm run --control-vector {ShellWord.Quote(output)}:1"));
        return ExitCode.Success;
    }

    private static int[][] TextsOf(string file, LanguageModel model)
    {
        string[] lines = [.. InputFile.ReadText(file, InputFile.MostTextBytes).Split('\n').Select(line => line.TrimEnd('\r'))
            .Where(line => line.Length > 0)];
        int[][] texts = [.. lines.Select(line => model.Tokenizer.Encode(line, addSpecial: true))];
        for (int i = 0; i < texts.Length; i++)
        {
            if (texts[i].Length == 0 || texts[i].Length > model.ContextLength)
                throw new InvalidDataException(
                    $"{file}: text {i + 1} has {texts[i].Length} tokens; 1 to {model.ContextLength} can be read");
        }
        return texts;
    }
}
