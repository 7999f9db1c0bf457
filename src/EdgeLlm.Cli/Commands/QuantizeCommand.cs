using System.CommandLine;
using EdgeLlm.Chat;
using EdgeLlm.Cli.Quantize;
using EdgeLlm.Kernels.Formats;
using EdgeLlm.Quantization;

namespace EdgeLlm.Cli.Commands;

/// <summary>`edgellm quantize`: what its command line may say. <see cref="QuantizeRun"/> does it.</summary>
internal static class QuantizeCommand
{
    private static readonly Argument<string> Input = new("input")
    {
        Description =
            "A GGUF file, a model's name as `edgellm list` shows it, a Hugging Face folder (config.json, safetensors, tokenizer), or a "
                + "voice's folder",
        HelpName = "INPUT",
    };

    private static readonly Argument<string> Target =
        new("output") { Description = "The packed GGUF file to write", HelpName = "OUTPUT.gguf" };

    private static readonly Option<bool> Fast =
        new("--fast") { Description = "Without calibration: every weight rounded to the nearest, in seconds instead of minutes" };

    private static readonly Option<string?> Calibrate = new("--calibrate")
    {
        Description =
            "A text (UTF-8) like those that the model is going to see: errors are put where they harm its predictions of it least",
        HelpName = "FILE",
    };

    private static readonly Option<string[]> Lora = new("--lora")
    {
        Description =
            "An adapter that the packed model is going to run with: its weights are rounded for that, and stay apart from it. May be "
                + "given several times",
        HelpName = "FILE|FOLDER[:SCALE]",
    };

    private static readonly Option<string?> Type =
        OneOf("--type", "Write a GGUF file of a standard type instead, as llama.cpp runs it too", [.. StandardTypes.ByName.Keys]);

    private static readonly Option<string?> Importance = new("--imatrix")
    {
        Description =
            "How much each input counts, instead of a calibration text: an importance matrix as llama.cpp writes it, GGUF or the older "
                + "form. The packed form is then rounded as with --fast, but for what it multiplies",
        HelpName = "FILE",
    };

    private static readonly Option<string?> KeepImportance = new("--write-imatrix")
    {
        Description = "Also write what the calibration text says of the inputs, as llama.cpp's tools read it",
        HelpName = "FILE.gguf",
    };

    private static readonly Option<string?> Group =
        OneOf("--group", "4 bits for all layers, with a scale for 32 weights (4.25 bits a weight) or for 16 (4.5 bits)", "32", "16");

    private static readonly Option<string?> Embedding =
        OneOf("--embedding", "Embedding and head in 8 bits (e8), 5 (e5) or 4 (e4), and 4 bits for all layers", "e8", "e5", "e4");

    private static readonly Option<string?> Forms = new("--forms")
    {
        Description =
            "The forms to choose from for each matrix, by how much the predictions depend on it (default: e4,e5,e8; with --size or --bits "
                + "all four)",
        HelpName = "e3,e4,e5,e8",
    };

    private static readonly Option<string?> Decoder =
        OneOf("--decoder", "Of a model that hears: the decoder in 8 bits (e8, the default) or 4 (e4: smaller, in noise more words are wrong); its encoder takes 8", "e4", "e8");

    private static readonly Option<bool> Force = new("--force") { Description = "Replace files that are there already" };

    private static readonly Option<bool> NoReport =
        new("--no-report") { Description = "Write no OUTPUT.report.json and OUTPUT.report.html" };

    private static readonly Option<string?> Evaluate = new("--evaluate")
    {
        Description =
            "A text to compare predictions on for the report, not the one to calibrate with (default: one of our own; with --fast, none)",
        HelpName = "FILE",
    };

    private static readonly Option<double?> Size = new("--size")
    {
        Description =
            "Take a form for each matrix, by how much the predictions depend on it, so that the file has at most so many million bytes",
        HelpName = "MB",
    };

    private static readonly Option<double?> Bits =
        new("--bits") { Description = "The same for so many bits a weight on average, 3.3 to 8.3", HelpName = "B" };

    private static readonly Option<bool> NoLattice = new("--no-lattice")
    {
        Description =
            "Round matrices that were trained for Q4_0 (quantization-aware training, published as floats) as all others, instead of "
                + "keeping that training's codes",
    };

    private static readonly Option<bool> NoGradients = new("--no-gradients")
    {
        Description = "Round each matrix for its inputs alone, not by the loss of the whole model: less time and disk, more loss",
    };

    private static readonly Option<bool> DryRun =
        new("--dry-run") { Description = "Only say what would be done and how large the file would be" };

    public static Command Create()
    {
        var command = new Command("quantize",
            "Pack a model: 4, 5 or 8 bits for each matrix, in the bytes of 4 for the layers and 8 for embedding and head. Takes any GGUF "
                + "model that runs here, and Hugging Face folders of the same families.")
        {
            Input, Target, Calibrate, Lora, Fast, Type, Importance, KeepImportance, Group, Embedding, Decoder, Size, Bits, Forms,
            NoGradients, NoLattice, SharedOptions.ChatTemplate, Evaluate, NoReport, Force, DryRun,
        };
        command.SetAction((result, cancellation) =>
        {
            QuantizeOptions options = Read(result);
            if (options.Adapters.Length > 0 && (VoiceWriter.IsVoice(options.Input) || SpeechQuantizeRun.Takes(options.Input)))
                throw new UsageException("--lora is for models that write text: leave it out");
            if (VoiceWriter.IsVoice(options.Input)) return VoiceRun.RunAsync(options, cancellation);
            if (SpeechQuantizeRun.Takes(options.Input)) return new SpeechQuantizeRun(options).RunAsync(cancellation);
            if (result.GetValue(Decoder) is not null) throw new UsageException("--decoder is of models that hear: leave it out");
            return new QuantizeRun(options).RunAsync(cancellation);
        });
        return command;
    }

    private static QuantizeOptions Read(ParseResult result)
    {
        RefuseContradictions(result);
        Packing body = result.GetValue(Group) == "16" ? Packing.E4Group16 : Packing.E4Group32;
        return new QuantizeOptions
        {
            Input = result.GetValue(Input)!,
            Output = result.GetValue(Target)!,
            Calibration = result.GetValue(Calibrate),
            Adapters = MergeCommand.PathsOf(result.GetValue(Lora) ?? []),
            Importance = result.GetValue(Importance),
            KeptImportance = result.GetValue(KeepImportance),
            Evaluation = result.GetValue(Evaluate),
            ChatTemplate = result.GetValue(SharedOptions.ChatTemplate) is { } template ? NamedTemplates.Read(template) : null,
            ChatTemplateFile = result.GetValue(SharedOptions.ChatTemplate) is { } named
                && NamedTemplates.Find(named) is null ? named : null,
            StandardType = result.GetValue(Type) is { } type ? StandardTypes.ByName[type] : null,
            Body = body,
            Embedding = result.GetValue(Embedding) switch { "e4" => body, "e5" => Packing.E5Group32, _ => Packing.E8Group32 },
            Forms = ReadForms(result.GetValue(Forms)),
            HasFixedForms = result.GetValue(Group) is not null || result.GetValue(Embedding) is not null,
            Decoder = result.GetValue(Decoder) == "e4" || result.GetValue(Decoder) is null && result.GetValue(Group) is not null
                ? body : Packing.E8Group32,
            Megabytes = result.GetValue(Size),
            BitsPerWeight = result.GetValue(Bits),
            IsFast = result.GetValue(Fast),
            UsesGradients = !result.GetValue(NoGradients),
            KeepsLattices = !result.GetValue(NoLattice),
            Replaces = result.GetValue(Force),
            WritesReport = !result.GetValue(NoReport),
            IsDryRun = result.GetValue(DryRun),
        };
    }

    private static HashSet<Packing>? ReadForms(string? list) =>
        list is null ? null : [.. list.Split(',').SelectMany(form => form.Trim() switch
    {
        "e4" => new[] { Packing.E4Group32, Packing.E4Group16 },
        "e5" => [Packing.E5Group32],
        "e8" => [Packing.E8Group32],
        "e3" => [Packing.E3Group32],
        var other => throw new UsageException($"--forms takes a list of e3, e4, e5, e8, not '{other}'"),
    })];

    private static void RefuseContradictions(ParseResult result)
    {
        bool fast = result.GetValue(Fast), calibrates = result.GetValue(Calibrate) is not null,
            reads = result.GetValue(Importance) is not null;
        if (result.GetValue(Lora) is { Length: > 0 }
            && (fast || reads || result.GetValue(Type) is not null || result.GetValue(Size) is not null
                || result.GetValue(Bits) is not null))
            throw new UsageException(
                "--lora is for calibration to the packed form: leave out --fast, --imatrix, --type, --size and --bits (edgellm merge "
                    + "writes an adapter into the weights)");
        if (fast && calibrates) throw new UsageException("--fast does without a calibration text: leave --calibrate out, or --fast");
        if (reads && calibrates)
            throw new UsageException("--imatrix takes the place of a calibration text: leave --calibrate out, or --imatrix");
        if (result.GetValue(KeepImportance) is not null && (fast || reads))
            throw new UsageException("--write-imatrix writes what a calibration text says: leave --fast and --imatrix out");
        bool budgeted = result.GetValue(Size) is not null || result.GetValue(Bits) is not null,
            formed = result.GetValue(Group) is not null || result.GetValue(Embedding) is not null;
        if (budgeted && (fast || reads || formed))
            throw new UsageException(
                "--size and --bits choose each matrix' form on a calibration text: leave out --fast, --imatrix, --group and --embedding");
        if (result.GetValue(Forms) is not null && (fast || reads || formed || result.GetValue(NoGradients)))
            throw new UsageException(
                "--forms is about which forms are chosen by the loss: leave out --fast, --imatrix, --group, --embedding and "
                    + "--no-gradients");
        if (result.GetValue(Size) is not null && result.GetValue(Bits) is not null)
            throw new UsageException("--size and --bits ask for the same: leave one out");
        if (result.GetValue(Type) is not null && (budgeted || formed || result.GetValue(Forms) is not null))
            throw new UsageException("--group, --embedding, --forms, --size and --bits are of the packed form: leave them out, or --type");
    }

    private static Option<string?> OneOf(string name, string description, params string[] values)
    {
        var option = new Option<string?>(name) { Description = description, HelpName = string.Join('|', values) };
        option.CompletionSources.Add(values);
        // Not AcceptOnlyFromAmong: it takes another option's name for a value.
        option.Validators.Add(result =>
        {
            if (result.Tokens is [{ Value: var value }] && !values.Contains(value))
                result.AddError($"{name} takes {string.Join(", ", values)}, not '{value}'");
        });
        return option;
    }
}
