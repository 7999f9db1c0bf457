using System.Text;
using System.Text.Json;

namespace EdgeLlm.Sampling.Constraints;

/// <summary>
/// A form that an answer has to have: a JSON Schema, a regular expression, a grammar, or JSON of any shape. Compiled when made; safe for
/// use by several threads and many answers.
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

    /// <summary>
    /// Source of the constraint (schema, regex, gbnf, lark or what <see cref="Compose"/> was told, and its text), for a process that makes
    /// an equal one; null: it was made otherwise.
    /// </summary>
    internal (string Kind, string Text)? Source { get; private init; }

    /// <summary>The form of a <see cref="Source"/>.</summary>
    /// <exception cref="ConstraintException">There is no such kind, or the text is wrong.</exception>
    internal static OutputConstraint OfSource(string kind, string text) => kind switch
    {
        "schema" => JsonSchema(text),
        "regex" => Regex(text),
        "gbnf" => Gbnf(text),
        "lark" => Lark(text),
        _ => throw new ConstraintException("there is no such kind of form"),
    };

    /// <summary>Bytes of the shortest answer, which are tokens at most.</summary>
    public int ShortestBytes => new Matcher(_automaton).Distance;

    /// <summary>JSON that satisfies a schema of draft 2020-12, as far as docs/constraints.md says.</summary>
    /// <param name="schema">The schema's text.</param>
    /// <exception cref="ConstraintException">It is not JSON, has a keyword that is not supported, is too complex, or nothing satisfies
    /// it.</exception>
    public static OutputConstraint JsonSchema(string schema) => Compile(FormLanguage.JsonSchema, schema, new CompileBudget());

    /// <inheritdoc cref="JsonSchema(string)"/>
    public static OutputConstraint JsonSchema(JsonElement schema) => OfSchema(schema.Clone(), new CompileBudget());

    /// <summary>A text that a regular expression (ECMAScript's, as far as docs/constraints.md says) matches as a whole.</summary>
    /// <exception cref="ConstraintException">It is wrong, not supported or too complex.</exception>
    public static OutputConstraint Regex(string pattern) => Compile(FormLanguage.Regex, pattern, new CompileBudget());

    /// <summary>A text of a grammar as llama.cpp writes them (GBNF), from its rule `root`.</summary>
    /// <exception cref="ConstraintException">It is wrong, not supported or too complex.</exception>
    public static OutputConstraint Gbnf(string grammar) => Compile(FormLanguage.Gbnf, grammar, new CompileBudget());

    /// <summary>A text of a Lark grammar, from its rule `start`, as far as docs/constraints.md says.</summary>
    /// <exception cref="ConstraintException">It is wrong, not supported or too complex.</exception>
    public static OutputConstraint Lark(string grammar) => Compile(FormLanguage.Lark, grammar, new CompileBudget());

    /// <summary>Compiles a form within a budget, which then has what was spent.</summary>
    internal static OutputConstraint Compile(FormLanguage language, string source, CompileBudget budget)
    {
        ArgumentNullException.ThrowIfNull(source);
        if (source.Length > MostSourceBytes) throw new ConstraintException($"it is longer than {MostSourceBytes} characters");
        budget.Spend(source.Length);
        switch (language)
        {
            case FormLanguage.JsonSchema:
                try
                {
                    using JsonDocument document =
                        JsonDocument.Parse(source, new JsonDocumentOptions { MaxDepth = CompileBudget.MostDepth });
                    return OfSchema(document.RootElement, budget);
                }
                catch (JsonException exception)
                {
                    string problem = exception.Message.Split(" LineNumber:")[0].TrimEnd('.');
                    throw new ConstraintException(
                        $"the schema is not JSON (line {exception.LineNumber + 1}, byte {exception.BytePositionInLine + 1}): {problem}");
                }
            case FormLanguage.Gbnf:
                return OfGrammar(GbnfParser.Parse(source, budget), budget, ("gbnf", source));
            case FormLanguage.Lark:
                return OfGrammar(LarkParser.Parse(source, budget), budget, ("lark", source));
            default:
                var builder = new AutomatonBuilder(budget);
                int root = builder.AddDfa(PatternDfa.Of(RegexParser.Parse(source, budget), TextForm.Plain, budget)) + 1;
                return new OutputConstraint(builder.Finish(root, MostGrammarLevels), isJson: false) { Source = ("regex", source) };
        }
    }

    private static OutputConstraint OfSchema(JsonElement schema, CompileBudget budget)
    {
        try
        {
            var builder = new AutomatonBuilder(budget);
            return new OutputConstraint(builder.Finish(new SchemaCompiler(schema, builder).Compile(), MostJsonLevels), isJson: true)
            {
                Source = ("schema", schema.GetRawText()),
            };
        }
        catch (InvalidOperationException)
        {
            throw new ConstraintException(
                "the schema has a keyword with a value of the wrong type, or a text with half of a surrogate pair");
        }
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

    /// <summary>Bytes from the end of a text to the nearest end of the form; -1: no text of the form begins so.</summary>
    internal int DistanceAfter(ReadOnlySpan<byte> text)
    {
        var matcher = new Matcher(_automaton);
        foreach (byte value in text)
        {
            if (!matcher.Read(value)) return -1;
        }
        return matcher.Distance;
    }

    /// <summary>Whether a JSON value has the form, however it was written: white space, escapes and 1.0 for 1 do not matter.</summary>
    public bool Accepts(JsonElement value) => Accepts(JsonText.Of(value));

    /// <summary>Bytes that it takes, nearly.</summary>
    internal long Bytes => _automaton.Bytes;

    /// <summary>Begins an answer.</summary>
    /// <param name="tree">The vocabulary.</param>
    /// <param name="prefix">Bytes that have to come first and are not part of the form (<c>heal</c>).</param>
    internal TokenConstraint Begin(TokenTree tree, ReadOnlySpan<byte> prefix = default) => new(_automaton, tree, prefix);

    /// <summary>A form put together of texts, patterns, schemas and grammars.</summary>
    /// <param name="steps">Steps that compiling it may take.</param>
    /// <param name="put">Puts it together.</param>
    /// <param name="source">Its <see cref="Source"/>.</param>
    /// <exception cref="ConstraintException">It is too complex, or a part of it is wrong.</exception>
    internal static OutputConstraint Compose(long steps, Func<FormBuilder, GrammarNode> put, (string Kind, string Text)? source = null)
    {
        var form = new FormBuilder(new AutomatonBuilder(new CompileBudget(steps)));
        return new OutputConstraint(form.Finish(put(form), MostJsonLevels + 2), isJson: false) { Source = source };
    }

    /// <summary>
    /// Whether a JSON value satisfies a whole schema, of whose keywords also those are read that an answer can't be held to.
    /// </summary>
    /// <exception cref="ConstraintException">The schema has what can't be decided.</exception>
    internal static bool Satisfies(JsonElement schema, JsonElement value)
    {
        try
        {
            var budget = new CompileBudget();
            var document = new SchemaDocument(schema, budget);
            return new SchemaValidator(document, budget).IsValid(document.Root, value);
        }
        catch (InvalidOperationException)
        {
            throw new ConstraintException(
                "the schema has a keyword with a value of the wrong type, or a text with half of a surrogate pair");
        }
    }

    private static OutputConstraint OfGrammar(Grammar grammar, CompileBudget budget, (string Kind, string Text) source)
    {
        var builder = new AutomatonBuilder(budget);
        return new OutputConstraint(builder.Finish(new GrammarCompiler(grammar, builder).Compile(), MostGrammarLevels), isJson: false)
        {
            Source = source,
        };
    }
}

/// <summary>Languages of forms.</summary>
internal enum FormLanguage
{
    JsonSchema,
    Regex,
    Gbnf,
    Lark,
}
