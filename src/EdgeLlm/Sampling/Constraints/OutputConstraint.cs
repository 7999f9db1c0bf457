using System.Text;
using System.Text.Json;

namespace EdgeLlm.Sampling.Constraints;

/// <summary>
/// A form that an answer has to have: a JSON Schema, a regular expression, a grammar, or JSON of any shape. Compiled when made; safe for use by several
/// threads and many answers.
/// </summary>
public sealed class OutputConstraint
{
    /// <summary>Depth up to which JSON is nested: what readers of JSON take by default.</summary>
    private const int MostJsonLevels = 62;

    private const int MostGrammarLevels = 800;
    private const int MostSourceBytes = 1 << 20;

    private static readonly Lazy<OutputConstraint> Any = new(() => JsonSchema("{}"));
    private static readonly Lazy<OutputConstraint> AnyObject = new(() => JsonSchema("""{"type":"object"}"""));

    private static readonly Lazy<OutputConstraint> Text = new(() => Regex("[^]*"));

    private readonly Automaton _automaton;

    private OutputConstraint(Automaton automaton, bool isJson)
    {
        _automaton = automaton;
        IsJson = isJson;
    }

    /// <summary>JSON of any shape.</summary>
    public static OutputConstraint AnyJson => Any.Value;

    /// <summary>A JSON object of any shape.</summary>
    public static OutputConstraint AnyJsonObject => AnyObject.Value;

    /// <summary>Any text: to heal a prompt's end where the answer is free.</summary>
    internal static OutputConstraint AnyText => Text.Value;

    /// <summary>Whether the answer is JSON.</summary>
    public bool IsJson { get; }

    /// <summary>Bytes of the shortest answer, which are tokens at most.</summary>
    public int ShortestBytes => new Matcher(_automaton).Distance;

    /// <summary>JSON that satisfies a schema of draft 2020-12, as far as docs/constraints.md says.</summary>
    /// <param name="schema">The schema's text.</param>
    /// <exception cref="ConstraintException">It is not JSON, has a keyword that is not supported, is too complex, or nothing satisfies it.</exception>
    public static OutputConstraint JsonSchema(string schema)
    {
        ArgumentNullException.ThrowIfNull(schema);
        CheckSize(schema);
        try
        {
            using JsonDocument document = JsonDocument.Parse(schema, new JsonDocumentOptions { MaxDepth = CompileBudget.MostDepth });
            return JsonSchema(document.RootElement);
        }
        catch (JsonException exception)
        {
            throw new ConstraintException($"the schema is not JSON: {exception.Message}");
        }
    }

    /// <inheritdoc cref="JsonSchema(string)"/>
    public static OutputConstraint JsonSchema(JsonElement schema)
    {
        try
        {
            var builder = new AutomatonBuilder(new CompileBudget());
            return new OutputConstraint(builder.Finish(new SchemaCompiler(schema.Clone(), builder).Compile(), MostJsonLevels), isJson: true);
        }
        catch (InvalidOperationException)
        {
            throw new ConstraintException("the schema has a keyword with a value of the wrong type, or a text with half of a surrogate pair");
        }
    }

    /// <summary>A text that a regular expression (ECMAScript's, as far as docs/constraints.md says) matches as a whole.</summary>
    /// <exception cref="ConstraintException">It is wrong, not supported or too complex.</exception>
    public static OutputConstraint Regex(string pattern)
    {
        ArgumentNullException.ThrowIfNull(pattern);
        CheckSize(pattern);
        var budget = new CompileBudget();
        var builder = new AutomatonBuilder(budget);
        int root = builder.AddDfa(PatternDfa.Of(RegexParser.Parse(pattern, budget), TextForm.Plain, budget)) + 1;
        return new OutputConstraint(builder.Finish(root, MostGrammarLevels), isJson: false);
    }

    /// <summary>A text of a grammar as llama.cpp writes them (GBNF), from its rule `root`.</summary>
    /// <exception cref="ConstraintException">It is wrong, not supported or too complex.</exception>
    public static OutputConstraint Gbnf(string grammar)
    {
        ArgumentNullException.ThrowIfNull(grammar);
        CheckSize(grammar);
        var budget = new CompileBudget();
        return OfGrammar(GbnfParser.Parse(grammar, budget), budget);
    }

    /// <summary>A text of a Lark grammar, from its rule `start`, as far as docs/constraints.md says.</summary>
    /// <exception cref="ConstraintException">It is wrong, not supported or too complex.</exception>
    public static OutputConstraint Lark(string grammar)
    {
        ArgumentNullException.ThrowIfNull(grammar);
        CheckSize(grammar);
        var budget = new CompileBudget();
        return OfGrammar(LarkParser.Parse(grammar, budget), budget);
    }

    /// <summary>Whether a whole text has the form.</summary>
    public bool Accepts(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return Accepts(Encoding.UTF8.GetBytes(text));
    }

    /// <inheritdoc cref="Accepts(string)"/>
    public bool Accepts(ReadOnlySpan<byte> text)
    {
        var matcher = new Matcher(_automaton);
        foreach (byte value in text)
        {
            if (!matcher.Read(value)) return false;
        }
        return matcher.CanEnd;
    }

    /// <summary>Whether a text of the form may begin so.</summary>
    internal bool CanBegin(ReadOnlySpan<byte> text)
    {
        var matcher = new Matcher(_automaton);
        foreach (byte value in text)
        {
            if (!matcher.Read(value)) return false;
        }
        return true;
    }

    /// <summary>Whether a JSON value has the form, however it was written: white space, escapes and 1.0 for 1 do not matter.</summary>
    public bool Accepts(JsonElement value) => Accepts(JsonText.Of(value));

    /// <summary>Bytes that it takes, nearly.</summary>
    internal long Bytes => _automaton.Bytes;

    /// <summary>Begins an answer.</summary>
    /// <param name="tree">The vocabulary.</param>
    /// <param name="prefix">Bytes that have to come first and are not part of the form (<c>heal</c>).</param>
    internal TokenConstraint Begin(TokenTree tree, ReadOnlySpan<byte> prefix = default) => new(_automaton, tree, prefix);

    private static OutputConstraint OfGrammar(Grammar grammar, CompileBudget budget)
    {
        var builder = new AutomatonBuilder(budget);
        return new OutputConstraint(builder.Finish(new GrammarCompiler(grammar, builder).Compile(), MostGrammarLevels), isJson: false);
    }

    private static void CheckSize(string source)
    {
        if (source.Length > MostSourceBytes) throw new ConstraintException($"it is longer than {MostSourceBytes} characters");
    }
}
