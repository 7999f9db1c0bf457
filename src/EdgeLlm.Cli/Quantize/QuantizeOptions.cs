using EdgeLlm.Kernels.Formats;
using EdgeLlm.Models.Adapters;

namespace EdgeLlm.Cli.Quantize;

/// <summary>Options of `edgellm quantize`, checked against each other.</summary>
internal sealed record QuantizeOptions
{
    /// <summary>A GGUF file, a model's name, or a Hugging Face folder.</summary>
    public required string Input { get; init; }

    /// <summary>The file to write.</summary>
    public required string Output { get; init; }

    /// <summary>A file with the calibration text; null: our own text.</summary>
    public string? Calibration { get; init; }

    /// <summary>Adapters that the packed model is going to run with.</summary>
    public ScaledPath[] Adapters { get; init; } = [];

    /// <summary>A file with an importance matrix that takes the calibration's place, or null.</summary>
    public string? Importance { get; init; }

    /// <summary>Where to write the importance matrix of the calibration text, or null.</summary>
    public string? KeptImportance { get; init; }

    /// <summary>A file with the text that the report compares on; null: our own, and none with <see cref="IsFast"/>.</summary>
    public string? Evaluation { get; init; }

    /// <summary>Jinja source of the output's chat template; null: the input's.</summary>
    public string? ChatTemplate { get; init; }

    /// <summary>The file that <see cref="ChatTemplate"/> is from; null where it is one that has a name, or none.</summary>
    public string? ChatTemplateFile { get; init; }

    /// <summary>A type that llama.cpp has, too; null: the packed form.</summary>
    public ElementType? StandardType { get; init; }

    /// <summary>The form of the layers.</summary>
    public Packing Body { get; init; } = Packing.E4Group32;

    /// <summary>The form of embedding and head.</summary>
    public Packing Embedding { get; init; } = Packing.E8Group32;

    /// <summary>The form of the decoder of a model that hears.</summary>
    public Packing Decoder { get; init; } = Packing.E8Group32;

    /// <summary>Million bytes that the output may have, or null.</summary>
    public double? Megabytes { get; init; }

    /// <summary>Bits that a packed weight may have on average, or null.</summary>
    public double? BitsPerWeight { get; init; }

    /// <summary>The forms that a matrix may get where they are chosen; null: all with a budget, else those of the default.</summary>
    public IReadOnlySet<Packing>? Forms { get; init; }

    /// <summary>Whether <see cref="Body"/> and <see cref="Embedding"/> are the forms, and not only their bytes the budget.</summary>
    public bool HasFixedForms { get; init; }

    /// <summary>Whether it does without calibration.</summary>
    public bool IsFast { get; init; }

    /// <summary>Whether a calibrated run rounds by the loss of the whole model.</summary>
    public bool UsesGradients { get; init; } = true;

    /// <summary>Whether matrices that were trained for Q4_0 keep its codes.</summary>
    public bool KeepsLattices { get; init; } = true;

    /// <summary>Whether files that are there are replaced.</summary>
    public bool Replaces { get; init; }

    /// <summary>Whether a report is written beside the output.</summary>
    public bool WritesReport { get; init; } = true;

    /// <summary>Whether only the plan is shown.</summary>
    public bool IsDryRun { get; init; }

    /// <summary>Whether each matrix' form follows from a budget of bytes.</summary>
    public bool HasBudget => Megabytes is not null || BitsPerWeight is not null;

    /// <summary>Whether each matrix' form is chosen: by what was asked for, or by default where the model's loss can be computed.</summary>
    public bool ChoosesForms => HasBudget || Forms is not null
        || (StandardType is null && UsesLoss && !HasFixedForms && Adapters.Length == 0);

    /// <summary>Whether a model whose layers have a backward pass is rounded by its loss.</summary>
    public bool UsesLoss => !IsFast && Importance is null && UsesGradients;

    /// <summary>The calibration text's name in reports.</summary>
    public string CalibrationName => Path.GetFileName(Calibration) ?? "the text that comes with edgellm";
}

/// <summary>Names of the standard types.</summary>
internal static class StandardTypes
{
    /// <summary>Values of `--type`.</summary>
    public static IReadOnlyDictionary<string, ElementType> ByName { get; } = new Dictionary<string, ElementType>
    {
        ["q4_0"] = ElementType.Q4_0,
        ["q8_0"] = ElementType.Q8_0,
        ["iq4_nl"] = ElementType.IQ4_NL,
        ["q4_k"] = ElementType.Q4_K,
        ["f16"] = ElementType.F16,
        ["bf16"] = ElementType.BF16,
        ["f32"] = ElementType.F32,
    };
}
