using EdgeLlm.Cli.Output;
using EdgeLlm.Quantization;

namespace EdgeLlm.Cli.Quantize;

/// <summary>One run of `edgellm quantize` on the folder of a voice, whose weights are 8 bits already and stay as they are.</summary>
internal static class VoiceRun
{
    public static async Task<int> RunAsync(QuantizeOptions options, CancellationToken cancellation)
    {
        if (options.StandardType is not null || options.HasBudget || options.Calibration is not null || options.Importance is not null)
            throw new UsageException("a voice's weights are kept bit for bit: of the options only --force is for voices");
        if (options.IsDryRun)
        {
            Console.WriteLine(
                $"{Printable.Line(options.Input)} is a voice: its tables and its network would be packed into one file, its weights kept "
                    + "as they are");
            return ExitCode.Success;
        }
        OutputFile.Require(options.Output, options.Replaces, Directory.GetFiles(options.Input));
        await Task.Run(() => VoiceWriter.Write(options.Input, options.Output), cancellation).ConfigureAwait(false);
        long before = new DirectoryInfo(options.Input).EnumerateFiles().Sum(static file => file.Length);
        Console.WriteLine(
            $"{Printable.Line(options.Output)} ({Quantity.Bytes(new FileInfo(options.Output).Length)}, from {Quantity.Bytes(before)})");
        return ExitCode.Success;
    }
}
