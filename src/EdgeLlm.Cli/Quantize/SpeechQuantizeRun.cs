using EdgeLlm.Cli.Output;
using EdgeLlm.Gguf;
using EdgeLlm.Kernels.Formats;
using EdgeLlm.Models;
using EdgeLlm.Quantization;
using EdgeLlm.Speech.Recognition;

namespace EdgeLlm.Cli.Quantize;

/// <summary>
/// A run of `edgellm quantize` on a model that hears: rounded to the nearest, in seconds, without a text to calibrate with and without a
/// report.
/// </summary>
internal sealed class SpeechQuantizeRun(QuantizeOptions options)
{
    /// <summary>Whether an input is a model that hears.</summary>
    public static bool Takes(string input) =>
        SpeechRecognizer.IsRecognizer(Directory.Exists(input) ? input : ModelStore.OfThisMachine().PathOf(input));

    /// <returns>An <see cref="ExitCode"/>.</returns>
    public async Task<int> RunAsync(CancellationToken cancellation)
    {
        RefuseOptions();
        if (!options.IsDryRun) OutputFile.Require(options.Output, options.Replaces, QuantizeSource.FilesOf(options.Input));
        string path = Directory.Exists(options.Input) ? options.Input : ModelStore.OfThisMachine().PathOf(options.Input);
        using GgufFile file = SpeechRecognizer.OpenFile(path);
        foreach (string note in file.Notes) await Console.Error.WriteLineAsync($"edgellm: {Printable.Line(note)}").ConfigureAwait(false);
        var quantizer = new SpeechQuantizer(file, Packing.E8Group32, options.Decoder, options.Embedding);
        if (options.IsDryRun)
        {
            Console.WriteLine(
                $"{Printable.Line(options.Output)} would have about {Quantity.Bytes(quantizer.OutputBytes)}, from {Quantity.Bytes(file.FileSize)}");
            return ExitCode.Success;
        }
        FreeSpace.Require(options.Output, quantizer.OutputBytes);
        await WorkProgress.RunAsync(report => Task.Run(() => quantizer.Save(options.Output, report, cancellation), cancellation))
            .ConfigureAwait(false);
        using (GgufFile made = GgufFile.Open(options.Output))
            ModelIdentity.Remember(options.Output, ModelIdentity.Of(made, folder: null, cancellation), StateFolder.Identities);
        Console.WriteLine(
            $"{Printable.Line(options.Output)} ({Quantity.Bytes(new FileInfo(options.Output).Length)}, from {Quantity.Bytes(file.FileSize)})");
        return ExitCode.Success;
    }

    private void RefuseOptions()
    {
        string? refused = options.Calibration is not null ? "--calibrate" : options.Importance is not null ? "--imatrix"
            : options.KeptImportance is not null ? "--write-imatrix"
            : options.Evaluation is not null ? "--evaluate" : options.HasBudget ? "--size and --bits" : options.StandardType is not null
            ? "--type" : options.ChatTemplate is not null ? "--chat-template" : null;
        if (refused is not null)
            throw new UsageException($"{Printable.Line(options.Input)} is a model that hears, which {refused} is not for: leave it out");
    }
}
