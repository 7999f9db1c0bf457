using System.CommandLine;
using System.Diagnostics;
using EdgeLlm.Chat;
using EdgeLlm.Cli.Output;
using EdgeLlm.Cli.Quantize;
using EdgeLlm.Files;
using EdgeLlm.Gguf;
using EdgeLlm.Kernels.Formats;
using EdgeLlm.Models;
using EdgeLlm.Quantization;
using EdgeLlm.Quantization.Standard;

namespace EdgeLlm.Cli.Commands;

/// <summary>`edgellm quantize`: a model into the packed form that runs fastest here.</summary>
internal static class QuantizeCommand
{
    private const long SpareBytes = 64 << 20;

    private static readonly Argument<string> Input = new("input") { Description = "A GGUF file, a model's name as `edgellm list` shows it, or a Hugging Face folder (config.json, safetensors, tokenizer; llama, mistral, qwen2 and stablelm)", HelpName = "INPUT" };

    private static readonly Argument<string> Target = new("output") { Description = "The packed GGUF file to write", HelpName = "OUTPUT.gguf" };

    private static readonly Option<bool> Fast = new("--fast") { Description = "Without calibration: every weight rounded to the nearest, in seconds instead of minutes" };

    private static readonly Option<string?> Calibrate = new("--calibrate")
    {
        Description = "A text (UTF-8) like those that the model is going to see: errors are put where they harm its predictions of it least",
        HelpName = "FILE",
    };

    private static readonly Option<string?> Type = OneOf("--type", "Write a GGUF file of a standard type instead, as llama.cpp runs it too", [.. StandardRun.Types.Keys]);

    private static readonly Option<string?> Importance = new("--imatrix")
    {
        Description = "How much each input counts, instead of a calibration text: an importance matrix as llama.cpp writes it, GGUF or the older form. The packed form is then rounded as with --fast, but for what it multiplies",
        HelpName = "FILE",
    };

    private static readonly Option<string?> KeepImportance = new("--write-imatrix")
    {
        Description = "Also write what the calibration text says of the inputs, as llama.cpp's tools read it",
        HelpName = "FILE.gguf",
    };

    private static readonly Option<string?> Group = OneOf("--group", "Weights that share a scale in the layers: 32 (4.25 bits a weight, the default) or 16 (4.5 bits)", "32", "16");

    private static readonly Option<string?> Embedding = OneOf("--embedding", "Embedding and head in 8 bits (e8, the default) or 4 (e4)", "e8", "e4");

    private static readonly Option<bool> Force = new("--force") { Description = "Replace files that are there already" };

    private static readonly Option<bool> NoReport = new("--no-report") { Description = "Write no OUTPUT.report.json and OUTPUT.report.html" };

    private static readonly Option<string?> Evaluate = new("--evaluate")
    {
        Description = "A text to compare predictions on for the report, not the one to calibrate with (default: one of our own; with --fast, none)",
        HelpName = "FILE",
    };

    private static readonly Option<double?> Size = new("--size")
    {
        Description = "Take a form for each matrix, by how much the predictions depend on it, so that the file has at most so many million bytes",
        HelpName = "MB",
    };

    private static readonly Option<double?> Bits = new("--bits") { Description = "The same for so many bits a weight on average, 4.3 to 8.3", HelpName = "B" };

    private static readonly Option<bool> DryRun = new("--dry-run") { Description = "Only say what would be done and how large the file would be" };

    public static Command Create()
    {
        var command = new Command("quantize", "Pack a model: 4 bits for the layers, 8 for embedding and head. Takes any GGUF model that runs here, and Hugging Face folders of llama, mistral, qwen2 and stablelm.")
        {
            Input, Target, Calibrate, Fast, Type, Importance, KeepImportance, Group, Embedding, Size, Bits, SharedOptions.ChatTemplate, Evaluate, NoReport, Force, DryRun,
        };
        command.SetAction(RunAsync);
        return command;
    }

    private static async Task<int> RunAsync(ParseResult result, CancellationToken cancellation)
    {
        string input = result.GetValue(Input)!, output = result.GetValue(Target)!;
        bool dryRun = result.GetValue(DryRun);
        long started = Stopwatch.GetTimestamp();
        RefuseContradictions(result);
        if (!dryRun) RequireOutputs(result);
        bool budgeted = result.GetValue(Size) is not null || result.GetValue(Bits) is not null;
        string? chatTemplate = result.GetValue(SharedOptions.ChatTemplate) is { } template ? NamedTemplates.Read(template) : null;
        using QuantizeSource source = await QuantizeSource.OpenAsync(input, chatTemplate, dryRun ? null : output, needsWeights: !dryRun || budgeted, cancellation).ConfigureAwait(false);
        try
        {
            return await WriteAsync(result, source.File, output, budgeted, started, cancellation).ConfigureAwait(false);
        }
        catch (ModelException exception) when (exception.File == source.File.Path)
        {
            throw new ModelException(input, exception.Problem); // not the name of a temporary file
        }
    }

    private static async Task<int> WriteAsync(ParseResult result, GgufFile file, string output, bool budgeted, long started, CancellationToken cancellation)
    {
        bool dryRun = result.GetValue(DryRun), fast = result.GetValue(Fast);
        if (result.GetValue(Type) is { } type) return await RunStandardAsync(result, file, StandardRun.Types[type], output, started, cancellation).ConfigureAwait(false);
        Packing body = result.GetValue(Group) == "16" ? Packing.E4Group16 : Packing.E4Group32;
        var plan = new QuantizationPlan(file, body, result.GetValue(Embedding) == "e4" ? body : Packing.E8Group32);
        string? text = await ReadTextAsync(result, cancellation).ConfigureAwait(false);
        if (budgeted)
        {
            await WorkProgress.RunAsync(report => Task.Run(() =>
            {
                var budget = new QuantizationBudget(plan, text, report, cancellation);
                if (result.GetValue(Size) is { } megabytes) budget.Fit((long)(megabytes * 1e6) - plan.HeaderBytes);
                else budget.Fit((long)(result.GetValue(Bits)!.Value / 8 * plan.PackedWeights) + plan.OtherBytes);
            }, cancellation)).ConfigureAwait(false);
        }
        if (dryRun)
        {
            PlanTable.Show(plan);
            return ExitCode.Success;
        }
        WarnOfQuantized(file, plan.QuantizedAlready);
        ImportanceMatrix? importance = result.GetValue(Importance) is { } importancePath ? ImportanceMatrix.Read(importancePath) : null;
        bool rounds = fast || importance is not null;
        string? calibration = importance?.Name;
        RequireSpace(output, plan.OutputBytes * (rounds ? 1 : 2));
        if (rounds)
        {
            var quantizer = new FastQuantizer(plan, importance);
            await ByteProgress.RunAsync("packing", plan.OutputBytes, (at, _) => Task.Run(() => quantizer.Save(output, at, cancellation), cancellation)).ConfigureAwait(false);
        }
        else
        {
            if (result.GetValue(KeepImportance) is not null) await CollectAsync(result, file, text, cancellation).ConfigureAwait(false);
            calibration = CalibrationName(result);
            var quantizer = new CalibratedQuantizer(plan, new QuantizationSettings(), text);
            await Console.Error.WriteLineAsync(Quantity.Text($"edgellm: this takes about {Quantity.Duration(quantizer.EstimateTime())}; if it is cut short, the same command goes on from there")).ConfigureAwait(false);
            await WorkProgress.RunAsync(report => Task.Run(() => quantizer.Save(output, report, cancellation), cancellation)).ConfigureAwait(false);
        }
        return await FinishAsync(result, file, output, calibration, started, cancellation).ConfigureAwait(false);
    }

    private static async Task<int> RunStandardAsync(ParseResult result, GgufFile file, ElementType type, string output, long started, CancellationToken cancellation)
    {
        bool weighs = StandardRun.TakesImportance(type) && !result.GetValue(Fast);
        var plan = new StandardPlan(file, type, weighs);
        if (result.GetValue(DryRun))
        {
            PlanTable.Show(plan);
            return ExitCode.Success;
        }
        WarnOfQuantized(file, plan.QuantizedAlready);
        RequireSpace(output, plan.OutputBytes);
        ImportanceMatrix? importance = weighs && result.GetValue(Importance) is { } path ? ImportanceMatrix.Read(path)
            : weighs || result.GetValue(KeepImportance) is not null ? await CollectAsync(result, file, await ReadTextAsync(result, cancellation).ConfigureAwait(false), cancellation).ConfigureAwait(false)
            : null;
        if (!weighs) importance = null;
        await StandardRun.WriteAsync(plan, importance, output, cancellation).ConfigureAwait(false);
        return await FinishAsync(result, file, output, importance?.Name, started, cancellation).ConfigureAwait(false);
    }

    /// <summary>What the calibration text says of the inputs; written where --write-imatrix asks for it.</summary>
    private static async Task<ImportanceMatrix> CollectAsync(ParseResult result, GgufFile file, string? text, CancellationToken cancellation)
    {
        ImportanceMatrix importance = await StandardRun.CollectAsync(file, text, CalibrationName(result), cancellation).ConfigureAwait(false);
        if (result.GetValue(KeepImportance) is { } path) importance.Write(path);
        return importance;
    }

    /// <summary>The text of --calibrate; null: our own.</summary>
    private static async Task<string?> ReadTextAsync(ParseResult result, CancellationToken cancellation) =>
        result.GetValue(Calibrate) is { } path ? await Task.Run(() => InputFile.ReadText(path, InputFile.MostTextBytes), cancellation).ConfigureAwait(false) : null;

    private static string CalibrationName(ParseResult result) => Path.GetFileName(result.GetValue(Calibrate)) ?? "the text that comes with edgellm";

    private static void RefuseContradictions(ParseResult result)
    {
        bool fast = result.GetValue(Fast), calibrates = result.GetValue(Calibrate) is not null, reads = result.GetValue(Importance) is not null;
        if (fast && calibrates) throw new UsageException("--fast does without a calibration text: leave --calibrate out, or --fast");
        if (reads && calibrates) throw new UsageException("--imatrix takes the place of a calibration text: leave --calibrate out, or --imatrix");
        if (result.GetValue(KeepImportance) is not null && (fast || reads)) throw new UsageException("--write-imatrix writes what a calibration text says: leave --fast and --imatrix out");
        bool budgeted = result.GetValue(Size) is not null || result.GetValue(Bits) is not null, formed = result.GetValue(Group) is not null || result.GetValue(Embedding) is not null;
        if (budgeted && (fast || reads || formed))
            throw new UsageException("--size and --bits choose each matrix' form on a calibration text: leave out --fast, --imatrix, --group and --embedding");
        if (result.GetValue(Size) is not null && result.GetValue(Bits) is not null) throw new UsageException("--size and --bits ask for the same: leave one out");
        if (result.GetValue(Type) is not null && (budgeted || formed))
            throw new UsageException("--group, --embedding, --size and --bits are of the packed form: leave them out, or --type");
    }

    /// <summary>Everything that is going to be written can be, and is nothing that is read.</summary>
    private static void RequireOutputs(ParseResult result)
    {
        string output = result.GetValue(Target)!;
        bool force = result.GetValue(Force);
        string?[] options = [result.GetValue(Calibrate), result.GetValue(Importance), result.GetValue(Evaluate)];
        foreach (string path in options.OfType<string>()) InputFile.RequireReadable(path);
        string? template = result.GetValue(SharedOptions.ChatTemplate) is { } named && NamedTemplates.Find(named) is null ? named : null;
        string[] inputs = [.. QuantizeSource.FilesOf(result.GetValue(Input)!), .. options.OfType<string>(), .. template is null ? Array.Empty<string>() : [template]];
        OutputFile.Require(output, force, inputs);
        foreach (string unfinished in CalibratedQuantizer.FilesBeside(output)) OutputFile.RequireNoInput(output, unfinished, inputs);
        string[] reports = result.GetValue(NoReport) ? [] : ReportRun.PathsFor(output);
        foreach (string report in reports) OutputFile.RequireBeside(report, inputs);
        if (result.GetValue(KeepImportance) is not { } kept) return;
        OutputFile.Require(kept, force, inputs);
        string place = AtomicFile.TargetOf(kept);
        string[] others = [AtomicFile.TargetOf(output), .. reports, .. CalibratedQuantizer.FilesBeside(output)];
        if (others.FirstOrDefault(other => FileStatus.IsSamePlace(place, other)) is { } taken)
            throw new UsageException($"--write-imatrix {kept} is the place of {taken}, which is written too: name another file");
    }

    private static void WarnOfQuantized(GgufFile file, string? type)
    {
        if (type is null) return;
        Console.Error.WriteLine($"edgellm: {Printable.Line(file.Path)} is quantized already ({type}): what that lost stays lost; better begin from F16 or BF16");
    }

    /// <summary>Says what was written, and writes the report.</summary>
    private static async Task<int> FinishAsync(ParseResult result, GgufFile file, string output, string? calibration, long started, CancellationToken cancellation)
    {
        TimeSpan time = Stopwatch.GetElapsedTime(started);
        using (GgufFile made = GgufFile.Open(output)) ModelIdentity.Remember(output, ModelIdentity.Of(made, folder: null, cancellation), StateFolder.Identities);
        Console.WriteLine($"{Printable.Line(output)} ({Quantity.Bytes(new FileInfo(output).Length)}, from {Quantity.Bytes(file.FileSize)})");
        if (result.GetValue(NoReport)) return ExitCode.Success;
        string? text = result.GetValue(Evaluate);
        bool compares = text is not null || !result.GetValue(Fast);
        await ReportRun.WriteAsync(file, result.GetValue(Input)!, output, calibration, time, compares, text, cancellation).ConfigureAwait(false);
        return ExitCode.Success;
    }

    internal static void RequireSpace(string output, long bytes)
    {
        string folder = Path.GetDirectoryName(Path.GetFullPath(output))!;
        if (FreeSpace.At(folder) is not { } free || free >= bytes + SpareBytes) return;
        throw new IOException($"{output}: takes {Quantity.Bytes(bytes)} of disk while it is made, with {Quantity.Bytes(SpareBytes)} to spare, and {folder} has {Quantity.Bytes(free)} free");
    }

    private static Option<string?> OneOf(string name, string description, params string[] values)
    {
        var option = new Option<string?>(name) { Description = description, HelpName = string.Join('|', values) };
        option.CompletionSources.Add(values);
        // Not AcceptOnlyFromAmong: it takes another option's name for a value.
        option.Validators.Add(result =>
        {
            if (result.Tokens is [{ Value: var value }] && !values.Contains(value)) result.AddError($"{name} takes {string.Join(", ", values)}, not '{value}'");
        });
        return option;
    }
}
