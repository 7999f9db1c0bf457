using System.CommandLine;
using System.Globalization;
using EdgeLlm.Chat;
using EdgeLlm.Cli.Explain;
using EdgeLlm.Cli.Pull;
using EdgeLlm.Cli.Run;
using EdgeLlm.Files;
using EdgeLlm.Generation;
using EdgeLlm.Models;
using EdgeLlm.Models.Adapters;
using EdgeLlm.Models.Inspection;

namespace EdgeLlm.Cli.Commands;

/// <summary>`edgellm explain`: what a model thinks of a text, token by token and layer by layer.</summary>
internal sealed class ExplainCommand
{
    private readonly Argument<string> _prompt = new("prompt") { Description = "The text to look at", HelpName = "PROMPT" };
    private readonly Option<int?> _tokens =
        SharedOptions.Between(0, 4096, "--tokens", "N", "Tokens of an answer to look at, too, always the likeliest (default: 0)", "-n");
    private readonly Option<string?> _layers = new("--layers")
    {
        Description =
            "Look at what each layer does: what the model would say after it, attention, norms, experts, states; A-B: of these layers, "
                + "from 0",
        HelpName = "A-B",
        Arity = ArgumentArity.ZeroOrOne,
    };

    private readonly Option<int?> _top = SharedOptions.Between(1, 100, "--top", "K", "Candidates of each token (default: 10)");
    private readonly Option<string?> _attention = new("--attention")
    {
        Description = "In JSON, the largest shares of attention of a token and head (default: 16), or all",
        HelpName = "N|full",
    };
    private readonly Option<string?> _output = new("--output", "-o")
    {
        Description =
            "The file to write: FILE.html, a page without anything from elsewhere, or FILE.json (default: a table on the terminal)",
        HelpName = "FILE.html|FILE.json",
    };
    private readonly Option<string?> _compare =
        new("--compare") { Description = "Show another model, or this one with an adapter, beside it", HelpName = "ADAPTER|MODEL" };
    private readonly Option<bool> _chat =
        new("--chat") { Description = "The prompt is a question, in the model's chat template (default: a text as it is)" };
    private readonly Option<bool> _force = new("--force") { Description = "Replace a file that is there already" };
    private readonly AdapterArguments _adapters = new();

    public static Command Create()
    {
        var explain = new ExplainCommand();
        var command = new Command("explain",
            "Look into a model: what it expected at each word of a text, how sure it was, and what its layers made of it.")
        {
            explain._prompt, SharedOptions.Model, explain._tokens, explain._layers, explain._top, explain._attention, explain._compare,
            explain._output, explain._chat, explain._force,
            SharedOptions.Context, SharedOptions.Threads, SharedOptions.Kernel, SharedOptions.CacheType,
        };
        explain._adapters.AddTo(command);
        command.SetAction((result, cancellation) => Task.Run(() => explain.Run(result, cancellation), cancellation));
        return command;
    }

    private int Run(ParseResult result, CancellationToken cancellation)
    {
        string? output = result.GetValue(_output);
        bool isPage = output?.EndsWith(".html", StringComparison.OrdinalIgnoreCase) == true;
        if (output is not null && !isPage && !output.EndsWith(".json", StringComparison.OrdinalIgnoreCase))
            throw new UsageException("-o takes FILE.html or FILE.json");
        string path = SharedOptions.ModelPathOf(result);
        if (output is not null) OutputFile.Require(output, result.GetValue(_force), Quantize.QuantizeSource.FilesOf(path));
        using LanguageModel model = SharedOptions.LoadModel(result, path);
        AdapterChoice adapters = _adapters.Open(result, model);
        ExplainOptions options = OptionsOf(result, output is not null && !isPage) with
        {
            Adapters = adapters.Adapters,
            ControlVectors = adapters.ControlVectors,
        };
        int[] prompt = PromptOf(result, model);
        int tokens = result.GetValue(_tokens) ?? 0;
        ExplainedModel[] models = [new(model, NameOf(model, adapters), Explain(model, options, prompt, tokens, cancellation))];
        if (result.GetValue(_compare) is { } other) return Compare(result, models, other, options, output, isPage, cancellation);
        return Write(models, output, isPage);
    }

    private int Compare(ParseResult result, ExplainedModel[] models, string other, ExplainOptions options, string? output, bool isPage,
        CancellationToken cancellation)
    {
        LanguageModel model = models[0].Model;
        ScaledPath scaled = ScaledPath.Parse(other);
        int[] all = [.. models[0].Explanation.Tokens.Select(token => token.Id)]; // the same text, so that both can be laid side by side
        if (Adapter.IsAdapter(scaled.Path))
        {
            var use = new AdapterUse(model.OpenAdapter(scaled.Path), scaled.Scale);
            Explanation adapted = Explain(model, options with { Adapters = [.. options.Adapters, use] }, all, 0, cancellation);
            return Write([.. models, new ExplainedModel(model, $"{model.Name} + {use.Adapter.Name}", adapted)], output, isPage);
        }
        using LanguageModel second = SharedOptions.LoadModel(result, MissingModel.PathOf(other));
        if (second.Info.VocabularySize != model.Info.VocabularySize)
            throw new ModelException(second.Path, $"has another vocabulary than {model.Path}: they can't be shown side by side");
        return Write(
            [.. models, new ExplainedModel(second, second.Name,
                Explain(second, options with { Adapters = [], ControlVectors = [] }, all, 0, cancellation))], output, isPage);
    }

    private static int Write(ExplainedModel[] models, string? output, bool isPage)
    {
        if (output is null) ExplainText.Write(models, Console.Out);
        else AtomicFile.Write(output, file => { if (isPage) ExplainPage.Write(models, file); else ExplainJson.Write(models, file); });
        return ExitCode.Success;
    }

    private static Explanation Explain(LanguageModel model, ExplainOptions options, int[] prompt, int tokens,
        CancellationToken cancellation)
    {
        try
        {
            return new ModelExplainer(model, options).Explain(prompt, tokens, cancellation);
        }
        catch (ArgumentException exception)
        {
            throw new UsageException(exception.Message);
        }
    }

    private ExplainOptions OptionsOf(ParseResult result, bool isJson)
    {
        var options = new ExplainOptions { Top = result.GetValue(_top) ?? 10, Layers = result.GetResult(_layers) is not null };
        if (result.GetValue(_layers) is { } range)
        {
            string[] ends = range.Split('-');
            bool isRange = ends.Length is 1 or 2 && int.TryParse(ends[0], NumberStyles.None, CultureInfo.InvariantCulture, out _)
                && int.TryParse(ends[^1], NumberStyles.None, CultureInfo.InvariantCulture, out _);
            if (!isRange)
                throw new UsageException(
                    $"--layers takes layers such as 4-12, not '{Printable.Line(range, 40)}' (the prompt comes before it)");
            options = options with
            {
                FirstLayer = int.Parse(ends[0], CultureInfo.InvariantCulture),
                LastLayer = int.Parse(ends[^1], CultureInfo.InvariantCulture),
            };
        }
        return result.GetValue(_attention) switch
        {
            null => options,
            "full" when isJson => options with { Attention = 0 },
            var text when isJson && int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int most) && most > 0 =>
                options with { Attention = most },
            var text => throw new UsageException(isJson ? $"--attention takes a number or full, not '{Printable.Line(text, 40)}'"
                : "--attention is for -o FILE.json"),
        };
    }

    private int[] PromptOf(ParseResult result, LanguageModel model)
    {
        string text = result.GetValue(_prompt)!;
        if (!result.GetValue(_chat))
        {
            int[] plain = model.Tokenizer.Encode(text, addSpecial: true);
            return plain.Length > 0 ? plain : throw new UsageException("the prompt has no tokens");
        }
        var format = new ChatFormat(model);
        if (!format.HasTemplate) throw new UsageException($"--chat has no place: {ChatFormat.MissingTemplate}");
        return [.. format.Encode(new ChatRequest { Messages = [new ChatMessage("user", text)] })];
    }

    private static string NameOf(LanguageModel model, AdapterChoice adapters) =>
        string.Join(" + ",
            adapters.Adapters.Select(use => use.Adapter.Name)
                .Concat(adapters.ControlVectors.Select(use => use.Vector.Name)).Prepend(model.Name));
}
