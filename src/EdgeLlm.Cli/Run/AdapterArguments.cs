using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using EdgeLlm.Models;
using EdgeLlm.Models.Adapters;

namespace EdgeLlm.Cli.Run;

/// <summary>The options that say with what adapters and control vectors a model computes.</summary>
internal sealed class AdapterArguments
{
    private readonly Option<string[]> _lora = new("--lora", "--lora-scaled")
    {
        Description = "A LoRA adapter: a PEFT folder or a GGUF file, and how strongly it acts (default: 1). May be given several times.",
        HelpName = "FILE|FOLDER[:SCALE]",
    };

    private readonly Option<string[]> _vectors = new("--control-vector", "--control-vector-scaled")
    {
        Description = "A control vector (GGUF), and how strongly it acts (default: 1). May be given several times.",
        HelpName = "FILE[:SCALE]",
    };

    private readonly Option<(int First, int Last)?> _layers = new("--control-vector-layers")
    {
        Description = "The layers whose results control vectors change, from 0 (default: all that they have directions for).",
        HelpName = "A-B",
        CustomParser = ParseLayers,
    };

    /// <param name="steers">Whether the command takes control vectors, too.</param>
    public void AddTo(Command command, bool steers = true)
    {
        command.Options.Add(_lora);
        if (!steers) return;
        command.Options.Add(_vectors);
        command.Options.Add(_layers);
    }

    /// <summary>Opens what the options name for a model; what is odd about it is a line on standard error.</summary>
    /// <exception cref="UsageException">A scale is out of its range, there are too many, or they can't be used together.</exception>
    /// <exception cref="ModelException">One can't be used with the model.</exception>
    public AdapterChoice Open(ParseResult result, LanguageModel model)
    {
        try
        {
            var adapters = new List<AdapterUse>();
            foreach (ScaledPath path in (result.GetValue(_lora) ?? []).Select(ScaledPath.Parse))
            {
                Adapter adapter = model.OpenAdapter(path.Path);
                foreach (string note in adapter.Notes) Console.Error.WriteLine(Printable.Line($"edgellm: {path.Path}: {note}"));
                adapters.Add(new AdapterUse(adapter, path.Scale));
            }
            (int first, int last) = result.GetValue(_layers) ?? (0, int.MaxValue);
            ControlVectorUse[] vectors = [.. (result.GetValue(_vectors) ?? []).Select(ScaledPath.Parse)
                .Select(path => new ControlVectorUse(ControlVector.Open(path.Path), path.Scale, first, last))];
            if (result.GetValue(_layers) is not null && vectors.Length == 0)
                throw new UsageException($"{_layers.Name} is for --control-vector");
            var choice = new AdapterChoice(adapters, vectors);
            _ = choice.For(model); // whether they can be used together
            return choice;
        }
        catch (FormatException exception)
        {
            throw new UsageException("an adapter or control vector takes " + exception.Message);
        }
        catch (ArgumentException exception)
        {
            throw new UsageException(exception.Message);
        }
    }

    /// <summary>Whether the options name any.</summary>
    public bool Any(ParseResult result) => result.GetValue(_lora) is { Length: > 0 } || result.GetValue(_vectors) is { Length: > 0 };

    private static (int First, int Last)? ParseLayers(ArgumentResult result)
    {
        string text = result.Tokens[0].Value;
        string[] ends = text.Split('-');
        if (ends.Length is 1 or 2 && int.TryParse(ends[0], NumberStyles.None, CultureInfo.InvariantCulture, out int first)
            && int.TryParse(ends[^1], NumberStyles.None, CultureInfo.InvariantCulture, out int last) && last >= first) return (first, last);
        result.AddError($"--control-vector-layers takes two layers such as 4-12, not '{text}'");
        return null;
    }
}

/// <summary>Adapters and control vectors that are open for a model.</summary>
internal sealed record AdapterChoice(IReadOnlyList<AdapterUse> Adapters, IReadOnlyList<ControlVectorUse> ControlVectors)
{
    public static AdapterChoice None { get; } = new([], []);

    /// <exception cref="ArgumentException">They can't be used together, or with this model.</exception>
    public Adaptation? For(LanguageModel model) => model.Adapt(Adapters, ControlVectors);
}
