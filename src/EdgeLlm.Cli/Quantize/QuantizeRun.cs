using System.Diagnostics;
using EdgeLlm.Cli.Commands;
using EdgeLlm.Cli.Output;
using EdgeLlm.Files;
using EdgeLlm.Gguf;
using EdgeLlm.Kernels.Formats;
using EdgeLlm.Models;
using EdgeLlm.Models.Adapters;
using EdgeLlm.Models.Licences;
using EdgeLlm.Quantization;
using EdgeLlm.Quantization.Calibration;
using EdgeLlm.Quantization.Standard;

namespace EdgeLlm.Cli.Quantize;

/// <summary>
/// One run of `edgellm quantize`: checks what it reads and writes, chooses the quantizer, shows its progress, and writes the report.
/// </summary>
internal sealed class QuantizeRun(QuantizeOptions options)
{
    // Mean squares settle sooner than correlations do.
    private const int ImportanceWindows = 32;
    private const int ImportanceWindowTokens = 512;

    private const int PredictionBytes = 128; // of the key that tells the predicted divergence, aligned

    private readonly long _started = Stopwatch.GetTimestamp();

    /// <returns>An <see cref="ExitCode"/>.</returns>
    public async Task<int> RunAsync(CancellationToken cancellation)
    {
        if (!options.IsDryRun) RequireFiles();
        bool needsWeights = !options.IsDryRun || options.ChoosesForms || options.KeepsLattices;
        using QuantizeSource source = await QuantizeSource.OpenAsync(options.Input, options.ChatTemplate,
            options.IsDryRun ? null : options.Output, needsWeights, cancellation).ConfigureAwait(false);
        try
        {
            IReadOnlySet<string>? lattices = options.KeepsLattices
                ? await Task.Run(() => Q4Lattice.Find(source.File, cancellation), cancellation).ConfigureAwait(false) : null;
            return options.StandardType is { } type
                ? await ConvertAsync(source.File, type, lattices, cancellation).ConfigureAwait(false)
                : await PackAsync(source.File, lattices, cancellation).ConfigureAwait(false);
        }
        catch (ModelException exception) when (exception.File == source.File.Path)
        {
            throw new ModelException(options.Input, exception.Problem); // not the name of a temporary file
        }
    }

    /// <summary>Into the packed form.</summary>
    private async Task<int> PackAsync(GgufFile file, IReadOnlySet<string>? lattices, CancellationToken cancellation)
    {
        var plan = new QuantizationPlan(file, options.Body, options.Embedding, lattices);
        string? text = await ReadCalibrationAsync(cancellation).ConfigureAwait(false);
        plan.Rotates = options.UsesLoss && QuantizationBudget.CanFit(file);
        bool isAsked = options.HasBudget || options.Forms is not null; // then a model that has no choice is refused
        if (options.ChoosesForms && (isAsked || plan.Rotates)) await FitBudgetAsync(plan, text, cancellation).ConfigureAwait(false);
        if (options.IsDryRun)
        {
            PlanTable.Show(plan);
            return ExitCode.Success;
        }
        WarnOfQuantized(file, plan.QuantizedAlready);
        SayLattices(plan);
        if (plan.PredictedDivergence is { } divergence)
            await Console.Error.WriteLineAsync(
                Quantity.Text($"edgellm: predicted KL divergence from the source: about {divergence:F4} nats a token"))
                .ConfigureAwait(false);
        ImportanceMatrix? importance = options.Importance is { } path ? ImportanceMatrix.Read(path) : null;
        bool rounds = options.IsFast || importance is not null;
        if (rounds)
        {
            FreeSpace.Require(options.Output, plan.OutputBytes);
            return await SaveAsync(file, new FastQuantizer(plan, importance), importance?.Name, cancellation).ConfigureAwait(false);
        }
        if (options.KeptImportance is not null) await CollectImportanceAsync(file, text, cancellation).ConfigureAwait(false);
        using ChangedWeights? adapters = OpenAdapters(file);
        var calibrated = new CalibratedQuantizer(plan, new QuantizationSettings { UsesGradients = options.UsesGradients }, text, adapters)
        {
            IdentityFolder = StateFolder.Identities,
        };
        FreeSpace.Require(options.Output, plan.OutputBytes + calibrated.WorkBytes);
        await Console.Error.WriteLineAsync(
            Quantity.Text(
                $"edgellm: this takes about {Quantity.Duration(calibrated.EstimateTime())}; if it is cut short, the same command goes on from there"))
                .ConfigureAwait(false);
        return await SaveAsync(file, calibrated, options.CalibrationName, cancellation).ConfigureAwait(false);
    }

    private ChangedWeights? OpenAdapters(GgufFile file)
    {
        foreach (ScaledPath adapter in options.Adapters) LicencePolicy.Require(adapter.Path);
        return options.Adapters.Length > 0 ? new ChangedWeights(file, ModelLoader.ReadSpec(file), options.Adapters) : null;
    }

    /// <summary>Into a standard type.</summary>
    private async Task<int> ConvertAsync(GgufFile file, ElementType type, IReadOnlySet<string>? lattices, CancellationToken cancellation)
    {
        bool weighs = (type is ElementType.Q4_0 or ElementType.IQ4_NL or ElementType.Q4_K)
            && !options.IsFast; // to the others it makes no difference what the inputs are like
        var plan = new StandardPlan(file, type, weighs, lattices);
        if (options.IsDryRun)
        {
            PlanTable.Show(plan);
            return ExitCode.Success;
        }
        WarnOfQuantized(file, plan.QuantizedAlready);
        SayLattices(plan);
        FreeSpace.Require(options.Output, plan.OutputBytes);
        ImportanceMatrix? importance = null;
        if (weighs && options.Importance is { } path) importance = ImportanceMatrix.Read(path);
        else if (weighs || options.KeptImportance is not null)
            importance = await CollectImportanceAsync(file, await ReadCalibrationAsync(cancellation).ConfigureAwait(false), cancellation)
                .ConfigureAwait(false);
        if (!weighs) importance = null;
        return await SaveAsync(file, new StandardQuantizer(plan, importance), importance?.Name, cancellation).ConfigureAwait(false);
    }

    private async Task<int> SaveAsync(GgufFile file, ModelQuantizer quantizer, string? calibration, CancellationToken cancellation)
    {
        await WorkProgress.RunAsync(report => Task.Run(() => quantizer.Save(options.Output, report, cancellation), cancellation))
            .ConfigureAwait(false);
        return await FinishAsync(file, calibration, cancellation).ConfigureAwait(false);
    }

    private Task FitBudgetAsync(QuantizationPlan plan, string? text, CancellationToken cancellation) =>
        WorkProgress.RunAsync(report => Task.Run(() =>
    {
        // Without a size: that of 4 bits for the layers and 8 for embedding and head, and no more than those to read.
        long bytes = options.Megabytes is { } megabytes ? (long)(megabytes * 1e6) - plan.HeaderBytes
            : options.BitsPerWeight is { } bits ? (long)(bits / 8 * plan.PackedWeights) + plan.OtherBytes
            : plan.OutputBytes - PredictionBytes;
        long readBytes = options.HasBudget ? long.MaxValue : plan.Tensors.Sum(plan.ReadBytesOf);
        IReadOnlySet<Packing>? forms = options.Forms ?? (options.HasBudget ? null : QuantizationBudget.DefaultForms);
        QuantizationBudget.RequireRoom(plan, bytes, forms);
        new QuantizationBudget(plan, text, report, cancellation, forms).Fit(bytes, readBytes);
    }, cancellation));

    /// <summary>Importance of inputs by the calibration text; written where it was asked for.</summary>
    private async Task<ImportanceMatrix> CollectImportanceAsync(GgufFile file, string? text, CancellationToken cancellation)
    {
        var source = new SourceModel(file);
        var windows = CalibrationText.Read(file, text, ImportanceWindowTokens, ImportanceWindows);
        ImportanceMatrix? importance = null;
        await WorkProgress.RunAsync(report => Task.Run(() => importance = new ImportanceCollector(source, windows).Collect(
            options.CalibrationName, share => report("calibration text", share), cancellation), cancellation)).ConfigureAwait(false);
        if (options.KeptImportance is { } path) importance!.Write(path);
        return importance!;
    }

    private async Task<string?> ReadCalibrationAsync(CancellationToken cancellation) =>
        options.Calibration is { } path
            ? await Task.Run(() => InputFile.ReadText(path, InputFile.MostTextBytes), cancellation).ConfigureAwait(false) : null;

    /// <summary>Everything that is going to be written can be, and is nothing that is read.</summary>
    private void RequireFiles()
    {
        string[] texts =
            [.. new[] { options.Calibration, options.Importance, options.Evaluation, options.ChatTemplateFile }.OfType<string>()];
        foreach (string path in texts) InputFile.RequireReadable(path);
        string[] inputs = [.. QuantizeSource.FilesOf(options.Input), .. texts,
            .. options.Adapters.SelectMany(adapter => MergeCommand.FilesOf(adapter.Path))];
        OutputFile.Require(options.Output, options.Replaces, inputs);
        foreach (string unfinished in CalibratedQuantizer.FilesBeside(options.Output))
            OutputFile.RequireNoInput(options.Output, unfinished, inputs);
        string[] reports = options.WritesReport ? ReportRun.PathsFor(options.Output) : [];
        foreach (string report in reports) OutputFile.RequireBeside(report, inputs);
        if (options.KeptImportance is not { } kept) return;
        OutputFile.Require(kept, options.Replaces, inputs);
        string place = AtomicFile.TargetOf(kept);
        string[] others = [AtomicFile.TargetOf(options.Output), .. reports, .. CalibratedQuantizer.FilesBeside(options.Output)];
        if (others.FirstOrDefault(other => FileStatus.IsSamePlace(place, other)) is { } taken)
            throw new UsageException($"--write-imatrix {kept} is the place of {taken}, which is written too: name another file");
    }

    private static void WarnOfQuantized(GgufFile file, string? type)
    {
        if (type is null) return;
        Console.Error.WriteLine(
            $"edgellm: {Printable.Line(file.Path)} is quantized already ({type}): what that lost stays lost; better begin from F16 or BF16");
    }

    private static void SayLattices(TensorPlan plan)
    {
        if (plan.Lattices.Count == 0) return;
        Console.Error.WriteLine(
            $"edgellm: {plan.Lattices.Count} {(plan.Lattices.Count == 1 ? "matrix was" : "matrices were")} trained for Q4_0 and keep its codes (--no-lattice: they are rounded as the others)");
    }

    /// <summary>Says what was written, and writes the report.</summary>
    private async Task<int> FinishAsync(GgufFile file, string? calibration, CancellationToken cancellation)
    {
        TimeSpan time = Stopwatch.GetElapsedTime(_started);
        using (GgufFile made = GgufFile.Open(options.Output))
            ModelIdentity.Remember(options.Output, ModelIdentity.Of(made, folder: null, cancellation), StateFolder.Identities);
        Console.WriteLine(
            $"{Printable.Line(options.Output)} ({Quantity.Bytes(new FileInfo(options.Output).Length)}, from {Quantity.Bytes(file.FileSize)})");
        if (!options.WritesReport) return ExitCode.Success;
        bool compares = options.Evaluation is not null || !options.IsFast;
        await ReportRun.WriteAsync(file, options.Input, options.Output, calibration, time, compares, options.Evaluation, cancellation)
            .ConfigureAwait(false);
        return ExitCode.Success;
    }
}
