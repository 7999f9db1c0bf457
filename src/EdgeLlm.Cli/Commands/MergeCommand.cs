using System.CommandLine;
using EdgeLlm.Cli.Output;
using EdgeLlm.Cli.Quantize;
using EdgeLlm.Gguf;
using EdgeLlm.Kernels.Formats;
using EdgeLlm.Models;
using EdgeLlm.Models.Adapters;
using EdgeLlm.Models.Licences;
using EdgeLlm.Models.Spec;
using EdgeLlm.Quantization.Merge;

namespace EdgeLlm.Cli.Commands;

/// <summary>`edgellm merge`: a model with adapters, or a delta, in its weights.</summary>
internal static class MergeCommand
{
    private static readonly Argument<string> Base =
        new("base") { Description = "A GGUF file of F32, F16 or BF16, or a Hugging Face folder", HelpName = "BASE" };
    private static readonly Argument<string> Target = new("output") { Description = "The GGUF file to write", HelpName = "OUT.gguf" };
    private static readonly Option<string[]> Lora = new("--lora")
    {
        Description = "A LoRA adapter: a PEFT folder or a GGUF file, and its scale (default: 1). May be given several times",
        HelpName = "FILE|FOLDER[:SCALE]",
    };
    private static readonly Option<string?> Delta =
        new("--delta") { Description = "A folder of weights that are added to the base's, as Vicuna was released", HelpName = "FOLDER" };
    private static readonly Option<string?> Type = new("--type")
    {
        Description = "How matrices are stored: f32, f16 or bf16 (default: as most of the base's are)",
        HelpName = "f32|f16|bf16",
    };
    private static readonly Option<bool> Force = new("--force") { Description = "Replace a file that is there already" };

    public static Command Create()
    {
        var command = new Command("merge",
            "Write a model with LoRA adapters, or a delta, in its weights; `edgellm quantize` packs it.") { Base, Target,
                Lora, Delta, Type, Force };
        command.SetAction(RunAsync);
        return command;
    }

    private static async Task<int> RunAsync(ParseResult result, CancellationToken cancellation)
    {
        string output = result.GetValue(Target)!;
        string? delta = result.GetValue(Delta);
        ScaledPath[] adapters = PathsOf(result.GetValue(Lora) ?? []);
        if (delta is null == (adapters.Length == 0))
            throw new UsageException("merge takes adapters (--lora) or a delta (--delta), one of the two");
        ElementType? type = result.GetValue(Type) switch
        {
            null => null,
            "f32" => ElementType.F32,
            "f16" => ElementType.F16,
            "bf16" => ElementType.BF16,
            var other => throw new UsageException($"--type takes f32, f16 or bf16, not '{Printable.Line(other, 40)}'"),
        };
        OutputFile.Require(output, result.GetValue(Force),
            [.. QuantizeSource.FilesOf(result.GetValue(Base)!),
                .. adapters.Select(path => path.Path).Append(delta).OfType<string>().SelectMany(FilesOf)]);
        using QuantizeSource source =
            await QuantizeSource.OpenAsync(result.GetValue(Base)!, null, output, needsWeights: true, cancellation).ConfigureAwait(false);
        GgufFile file = source.File;
        LicencePolicy.Require(result.GetValue(Base)!, Licence.Of(file.Metadata));
        foreach (string added in adapters.Select(path => path.Path).Append(delta).OfType<string>()) LicencePolicy.Require(added);
        ModelSpec spec = ModelLoader.ReadSpec(file);
        var merger = new ModelMerger(file, type);
        FreeSpace.Require(output,
            file.Tensors.Sum(tensor => ElementFormat.ByteCount(type ?? tensor.Type, 1) * tensor.Rows * tensor.Columns));
        long rows = file.Tensors.Sum(tensor => tensor.Rows), done = 0;
        if (delta is not null)
        {
            using var added = WeightDelta.Open(delta, spec);
            await ByteProgress.RunAsync("merging", rows,
                (at, _) => Task.Run(() => merger.Save(output, added, count => at(Math.Min(rows, done += count)), cancellation),
                    cancellation)).ConfigureAwait(false);
        }
        else
        {
            using var changes = new ChangedWeights(file, spec, adapters);
            await ByteProgress.RunAsync("merging", rows,
                (at, _) => Task.Run(() => merger.Save(output, changes, count => at(Math.Min(rows, done += count)), cancellation),
                    cancellation)).ConfigureAwait(false);
        }
        Console.WriteLine(
            Printable.Line(
                $"{output}: {new FileInfo(output).Length / 1e6:F1} MB; edgellm quantize {ShellWord.Quote(output)} OUT.gguf packs it"));
        return ExitCode.Success;
    }

    internal static ScaledPath[] PathsOf(string[] texts)
    {
        try
        {
            return [.. texts.Select(ScaledPath.Parse)];
        }
        catch (FormatException exception)
        {
            throw new UsageException("--lora takes " + exception.Message);
        }
    }

    internal static string[] FilesOf(string path) => Directory.Exists(path) ? Directory.GetFiles(path) : [path];
}
