using EdgeLlm.Cli.Output;
using EdgeLlm.Gguf;
using EdgeLlm.Kernels.Formats;
using EdgeLlm.Quantization;
using EdgeLlm.Quantization.Calibration;
using EdgeLlm.Quantization.Standard;

namespace EdgeLlm.Cli.Quantize;

/// <summary>`edgellm quantize --type`: a GGUF file of a standard type, which other programs run too.</summary>
internal static class StandardRun
{
    // Mean squares settle sooner than correlations do.
    private const int Windows = 32;
    private const int WindowTokens = 512;

    /// <summary>What `--type` takes.</summary>
    public static IReadOnlyDictionary<string, ElementType> Types { get; } = new Dictionary<string, ElementType>
    {
        ["q4_0"] = ElementType.Q4_0,
        ["q8_0"] = ElementType.Q8_0,
        ["iq4_nl"] = ElementType.IQ4_NL,
        ["q4_k"] = ElementType.Q4_K,
        ["f16"] = ElementType.F16,
        ["bf16"] = ElementType.BF16,
        ["f32"] = ElementType.F32,
    };

    /// <summary>Whether it makes a difference to a type what the inputs are like.</summary>
    public static bool TakesImportance(ElementType type) => type is ElementType.Q4_0 or ElementType.IQ4_NL or ElementType.Q4_K;

    /// <summary>Runs the model on a text; null: our own.</summary>
    public static async Task<ImportanceMatrix> CollectAsync(GgufFile file, string? text, string name, CancellationToken cancellation)
    {
        var source = new SourceModel(file);
        var windows = CalibrationText.Read(file, text, WindowTokens, Windows);
        ImportanceMatrix? result = null;
        await WorkProgress.RunAsync(report => Task.Run(() => result = new ImportanceCollector(source, windows).Collect(
            name, share => report("calibration text", share), cancellation), cancellation)).ConfigureAwait(false);
        return result!;
    }

    public static async Task WriteAsync(StandardPlan plan, ImportanceMatrix? importance, string output, CancellationToken cancellation)
    {
        var quantizer = new StandardQuantizer(plan, importance);
        await ByteProgress.RunAsync("writing", plan.OutputBytes, (at, _) => Task.Run(() => quantizer.Save(output, at, cancellation), cancellation)).ConfigureAwait(false);
    }
}
