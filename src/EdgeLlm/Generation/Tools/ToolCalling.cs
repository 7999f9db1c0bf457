using System.Text.Json;
using EdgeLlm.Chat;
using EdgeLlm.Chat.Tools;
using EdgeLlm.Sampling.Constraints;

namespace EdgeLlm.Generation.Tools;

/// <summary>Tools that can't be offered; the message names the place in one line.</summary>
/// <param name="place">What is wrong, such as `tools[0].function.parameters`.</param>
/// <param name="problem">What is wrong with it.</param>
public sealed class ToolException(string place, string problem) : Exception(Printable.Line($"{place} {problem}"))
{
    /// <summary>Place of the error, such as `tools[0].function.parameters`.</summary>
    public string Place { get; } = place;
}

/// <summary>
/// Tools that a model may or has to call in an answer. In four steps: <see cref="Create"/> it; put <see cref="Definitions"/> into
/// <see cref="ChatRequest.Tools"/> and encode the conversation; generate with the options that <see cref="Apply"/> gives; and read the text
/// with the parser of <see cref="CreateParser"/>, which tells text and calls apart as they come. Then call the tools, append the
/// assistant's turn with its calls (<see cref="ChatMessage.ToolCalls"/>) and a turn of role `tool` for each result, and ask again. Safe for
/// use by several threads and many answers.
/// </summary>
public sealed class ToolCalling
{
    /// <summary>Most tools of a request.</summary>
    public const int MostTools = 128;

    /// <summary>Nesting of a schema: what readers of JSON take by default, with the tool around it.</summary>
    private const int MostDepth = 56;

    private readonly ChatFormat _format;
    private readonly ToolDefinition[] _tools;   // as they were given
    private readonly ToolDefinition[] _callable; // with schemas that an answer can be held to
    private readonly ToolChoice _choice;
    private readonly int _most;
    private readonly Lock _gate = new();
    private readonly Dictionary<string, OutputConstraint> _constraints = []; // by the text before the calls

    private ToolCalling(ChatFormat format, ToolDefinition[] tools, ToolDefinition[] callable, ToolChoice choice,
        int most, string[] warnings)
    {
        (_format, _tools, _callable, _choice, _most, Warnings) = (format, tools, callable, choice, most, warnings);
        Definitions = tools.Length == 0 ? null : ToolDefinition.ToJson(tools);
    }

    /// <summary>The tools as the chat template takes them; null where none is offered.</summary>
    public JsonElement? Definitions { get; }

    /// <summary>Parts of the tools' schemas that are checked afterwards instead of kept to, each with its place.</summary>
    public IReadOnlyList<string> Warnings { get; }

    /// <summary>Whether there are tools that may be called.</summary>
    public bool IsOn => _callable.Length > 0;

    /// <summary>Whether a tool has to be called.</summary>
    public bool IsRequired => IsOn && _choice.Mode == ToolChoiceMode.Required;

    /// <summary>How the model writes calls.</summary>
    public ToolFormat Format => _format.ToolFormat;

    /// <summary>Prepares tools for answers of a model.</summary>
    /// <param name="format">The model's chat format.</param>
    /// <param name="tools">The tools; none: nothing is called.</param>
    /// <param name="choice">Whether one is called.</param>
    /// <param name="parallel">Whether several may be called in one answer, at most <see cref="CallConstraint.MostCalls"/>; a named one is
    /// called once.</param>
    /// <param name="placeOf">Gives a tool's place in the request, for messages.</param>
    /// <exception cref="ToolException">A tool has a wrong name, one that another has, or a schema that is wrong or (where it is strict)
    /// can't be kept to; or the named tool is not there.</exception>
    public static ToolCalling Create(ChatFormat format, IReadOnlyList<ToolDefinition> tools, ToolChoice choice, bool parallel = true,
        Func<int, string>? placeOf = null)
    {
        ArgumentNullException.ThrowIfNull(format);
        ArgumentNullException.ThrowIfNull(tools);
        placeOf ??= i => $"tools[{i}]";
        if (tools.Count > MostTools) throw new ToolException("tools", $"has {tools.Count} tools; at most {MostTools} are taken");
        if (choice.Mode == ToolChoiceMode.Required && tools.Count == 0)
            throw new ToolException("tool_choice", "asks for a call, and there are no tools");
        if (choice.Mode == ToolChoiceMode.None || tools.Count == 0) return new ToolCalling(format, [], [], choice, 0, []);
        var names = new HashSet<string>(StringComparer.Ordinal);
        var warnings = new List<string>();
        var callable = new List<ToolDefinition>();
        for (int i = 0; i < tools.Count; i++)
        {
            ToolDefinition tool = tools[i];
            if (!ToolDefinition.IsName(tool.Name))
                throw new ToolException($"{placeOf(i)}.name", "has to be 1 to 128 letters, digits, or _ - . /");
            if (!names.Add(tool.Name)) throw new ToolException($"{placeOf(i)}.name", $"is '{tool.Name}', as another tool's");
            if (choice.Name is { } only && only != tool.Name) continue;
            if (tool.Parameters is { } parameters && DepthOf(parameters, 0) > MostDepth)
                throw new ToolException($"{placeOf(i)}.parameters", $"is nested more than {MostDepth} deep");
            callable.Add(ToolSchema.Prepare(tool, $"{placeOf(i)}.{(tool.IsCustom ? "format" : "parameters")}", warnings));
        }
        if (callable.Count == 0) throw new ToolException("tool_choice", $"names '{choice.Name}', which is not among the tools");
        int most = parallel && choice.Name is null ? CallConstraint.MostCalls : 1;
        var calling = new ToolCalling(format, [.. tools], [.. callable], choice, most, [.. warnings]);
        try
        {
            calling.Compile("", ""); // what is wrong is told before anything is computed
        }
        catch (ToolException exception) when (!callable.Exists(tool => tool.IsStrict || tool.IsCustom))
        {
            // Each alone can be kept to, all together can't.
            warnings.Add($"{exception.Message}: any objects are taken as arguments, and calls are checked afterwards");
            calling = new ToolCalling(format, [.. tools], [.. callable.Select(ToolSchema.Loosest)], choice, most, [.. warnings]);
            calling.Compile("", "");
        }
        return calling;
    }

    /// <summary>
    /// The options with which an answer calls tools: held to a call from its beginning where one is required, else from where the model
    /// begins one.
    /// </summary>
    /// <param name="options">The options for an answer without tools.</param>
    /// <param name="prompt">The prompt's tokens.</param>
    /// <exception cref="ToolException">The options ask for a form of the answer, too, and the model may decide whether it
    /// calls.</exception>
    public GenerationOptions Apply(GenerationOptions options, IReadOnlyList<int> prompt)
    {
        ArgumentNullException.ThrowIfNull(options);
        if (!IsOn) return _format.Thinking is null ? options : options with { VisibleTokens = _format.VisibleTokens };
        string end = _format.EndOf(prompt);
        options = options with { VisibleTokens = _format.VisibleTokens };
        if (_choice.Mode == ToolChoiceMode.Required)
        {
            string before =
                (_format.Thinking is { } thinking && thinking.IsOpenAfter(end) ? "\n" + thinking.Close + "\n\n" : "") + Format.Preface;
            return options with { Constraint = Compile(before, AnswerParser.SeedOf(Format, end)) };
        }
        if (options.Constraint is not null)
            throw new ToolException("response_format",
                "can't be kept to where the model may call tools instead: use tool_choice none or required");
        string[] names = [.. _callable.Select(tool => tool.Name)];
        return options with
        {
            LateConstraint = new LateConstraint(Compile("", ""), Format, names, _format.Thinking, end),
        };
    }

    /// <summary>Creates the parser of an answer's text.</summary>
    /// <param name="prompt">The prompt's tokens.</param>
    /// <param name="thoughts">Whether thoughts are told apart from the text.</param>
    public AnswerParser CreateParser(IReadOnlyList<int> prompt, bool thoughts = true) =>
        new(IsOn ? Format : null, _callable, thoughts ? _format.Thinking : null, _format.EndOf(prompt));

    /// <summary>Checks a call's arguments against the tool's whole schema.</summary>
    /// <returns>What is wrong, or null.</returns>
    public string? Check(ChatToolCall call)
    {
        ArgumentNullException.ThrowIfNull(call);
        if (_tools.FirstOrDefault(tool => tool.Name == call.Name) is not { Parameters: { } schema }) return null;
        try
        {
            using JsonDocument arguments = JsonDocument.Parse(call.Arguments);
            return OutputConstraint.Satisfies(schema, arguments.RootElement) ? null
                : $"the arguments of {call.Name} do not satisfy its schema";
        }
        catch (JsonException)
        {
            return $"the arguments of {call.Name} are not whole";
        }
        catch (ConstraintException exception)
        {
            return $"the arguments of {call.Name} could not be checked: {exception.Message}";
        }
    }

    /// <summary>The tool of a name.</summary>
    public ToolDefinition? Find(string name) => Array.Find(_tools, tool => tool.Name == name);

    private static int DepthOf(JsonElement element, int depth) => depth > MostDepth ? depth : element.ValueKind switch
    {
        JsonValueKind.Object => element.EnumerateObject().Select(member => DepthOf(member.Value, depth + 1)).DefaultIfEmpty(depth).Max(),
        JsonValueKind.Array => element.EnumerateArray().Select(item => DepthOf(item, depth + 1)).DefaultIfEmpty(depth).Max(),
        _ => depth,
    };

    private OutputConstraint Compile(string before, string seed)
    {
        string key = before + "\0" + seed;
        lock (_gate)
        {
            if (_constraints.TryGetValue(key, out OutputConstraint? made)) return made;
            try
            {
                return _constraints[key] = CallConstraint.Compile(Format, _callable, _most, before, seed);
            }
            catch (ConstraintException exception)
            {
                throw new ToolException("tools", $"can't be kept to: {exception.Message}");
            }
        }
    }
}

/// <summary>A form that an answer has from some place in it on, to its end: where the model begins a call.</summary>
/// <param name="Constraint">The form.</param>
/// <param name="Format">How calls are written.</param>
/// <param name="Names">The tools' names.</param>
/// <param name="Thinking">How thoughts are marked, in which nothing begins; null: there are none.</param>
/// <param name="PromptEnd">The prompt's last text.</param>
internal sealed record LateConstraint(OutputConstraint Constraint, ToolFormat Format, string[] Names, ThinkingFormat? Thinking,
    string PromptEnd)
{
    /// <summary>Creates what finds the place in an answer.</summary>
    public CallTrigger CreateTrigger() => new(Format, Names, Thinking, PromptEnd);
}
