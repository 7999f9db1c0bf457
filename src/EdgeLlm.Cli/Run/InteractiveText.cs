using EdgeLlm.Cli.Terminal;
using EdgeLlm.Generation;
using EdgeLlm.Models;

namespace EdgeLlm.Cli.Run;

/// <summary>
/// `edgellm run` at a terminal, or with lines on standard input, with a model that has no chat template: each entry is a text to continue.
/// </summary>
internal sealed class InteractiveText(LanguageModel model, GenerationOptions options, LineInput input, TextWriter output)
{
    private static readonly string[] Lines =
        ["/help", "/?", "/bye", "/exit", "/quit", .. PromptLoop.Settings.Select(word => $"/set {word}"),
            .. AnswerParameters.Names.Select(name => $"/set parameter {name} ")];

    private GenerationOptions _options = options;

    public async Task<int> RunAsync(CancellationToken cancellation)
    {
        using var generator = new TextGenerator(model);
        var loop = new PromptLoop(input, output)
        {
            Ask = (text, stop) => generator.GenerateAsync(model.Tokenizer.Encode(text, addSpecial: true), _options, stop),
            Command = Run,
            NoteOnAnswer = () => GenerationArguments.NoteOn(generator.Statistics, _options, model.ContextLength),
            HasConversation = static () => false,
        };
        input.CompleteWith(new CommandCompletion(Lines, filesAfter: []).For);
        return await loop.RunAsync(cancellation).ConfigureAwait(false);
    }

    private string? Run(PromptLoop loop, string name, string rest)
    {
        switch (name)
        {
            case "/bye" or "/exit" or "/quit":
                return null;
            case "/help" or "/?":
                return "Each line is a text that the model continues. /set parameter NAME VALUE changes how (temperature, num_predict, ...), /bye leaves.";
            case "/set" when rest.StartsWith("parameter", StringComparison.Ordinal):
                return AnswerParameters.Set(ref _options, rest["parameter".Length..]);
            case "/set":
                return loop.Set(rest) ?? "/set parameter NAME VALUE, wordwrap, nowordwrap, history, nohistory";
            default:
                return CommandCompletion.Unknown(name, Lines);
        }
    }
}
