using EdgeLlm.Chat.Jinja.Nodes;

namespace EdgeLlm.Chat.Jinja.Syntax;

internal sealed partial class Parser
{
    private Statement[] ParseBody(params ReadOnlySpan<string> ends)
    {
        List<Statement> statements = [];
        while (true)
        {
            Token token = Current;
            switch (token.Kind)
            {
                case TokenKind.Text:
                    statements.Add(new TextStatement(token.Line, Take().Text));
                    break;
                case TokenKind.OutputBegin:
                    Take();
                    statements.Add(new OutputStatement(token.Line, ParseTuple()));
                    Expect(TokenKind.OutputEnd);
                    break;
                case TokenKind.BlockBegin:
                    Take();
                    if (Current.Kind == TokenKind.Name && ends.Contains(Current.Text)) return [.. statements];
                    Enter();
                    statements.AddRange(ParseStatement());
                    Leave();
                    Expect(TokenKind.BlockEnd);
                    break;
                default:
                    if (ends.Length > 0) throw Fail($"Unexpected end of template, '{string.Join("' or '", ends.ToArray())}' is missing");
                    return [.. statements];
            }
        }
    }

    /// <summary>Parses what a block encloses, from the end of its first tag to one of the tags named, which stays.</summary>
    private Statement[] ParseEnclosed(params ReadOnlySpan<string> ends)
    {
        TakeOperator(":");
        Expect(TokenKind.BlockEnd);
        return ParseBody(ends);
    }

    private List<Statement> ParseStatement()
    {
        Token token = Current;
        if (token.Kind != TokenKind.Name) throw Fail("tag name expected");
        Take();
        switch (token.Text)
        {
            case "for": return [ParseFor(token.Line)];
            case "if": return [ParseIf(token.Line)];
            case "set": return [ParseSet(token.Line)];
            case "macro": return [ParseMacro(token.Line)];
            case "call": return [ParseCallBlock(token.Line)];
            case "filter": return [ParseFilterBlock(token.Line)];
            case "with": return [ParseWith(token.Line)];
            case "generation": return [ParseGeneration(token.Line)];
            case "print": return ParsePrint(token.Line);
            case "break" or "continue":
                if (_loops == 0) throw new ChatTemplateException($"'{token.Text}' outside of a loop", token.Line);
                return [new FlowStatement(token.Line, token.Text == "break" ? Flow.Break : Flow.Continue)];
            case "include" or "import" or "from" or "extends" or "block" or "autoescape":
                throw new ChatTemplateException(
                    $"the tag '{token.Text}' is not supported: a chat template is one file of text", token.Line);
            default:
                throw new ChatTemplateException($"Encountered unknown tag '{token.Text}'", token.Line);
        }
    }

    private ForStatement ParseFor(int line)
    {
        Target target = ParseTarget("in");
        if (Names(target).Contains("loop")) throw Fail("Can't assign to special loop variable in for-loop target");
        ExpectName("in");
        Expression iterable = ParseTuple(withConditional: false, end: "recursive");
        int unknown = _unknown.Count;
        Expression? condition = TakeName("if") ? ParseExpression() : null;
        bool isRecursive = TakeName("recursive");
        _loops++;
        Statement[] body = ParseEnclosed("endfor", "else");
        _loops--;
        Statement[] otherwise = Take().Text == "else" ? ParseEnclosed("endfor") : [];
        if (Current.IsName("endfor")) Take();
        RefuseUnknown(unknown);
        return new ForStatement(line, target, iterable, condition, isRecursive, body, otherwise);
    }

    private IfStatement ParseIf(int line)
    {
        int unknown = _unknown.Count;
        List<KeyValuePair<Expression, Statement[]>> branches = [];
        string end;
        do
        {
            Expression condition = ParseTuple(withConditional: false);
            branches.Add(new(condition, ParseEnclosed("elif", "else", "endif")));
            end = Take().Text;
        }
        while (end == "elif");
        Statement[] otherwise = [];
        if (end == "else")
        {
            otherwise = ParseEnclosed("endif");
            Take();
        }
        AllowUnknown(unknown);
        return new IfStatement(line, [.. branches], otherwise);
    }

    private Statement ParseSet(int line)
    {
        Target target = ParseTarget(end: null, withNamespaces: true);
        if (TakeOperator("=")) return new SetStatement(line, target, ParseTuple());
        return new SetBlockStatement(line, target, ParseCaptured("endset"));
    }

    private FilterBlockStatement ParseFilterBlock(int line)
    {
        int unknown = _unknown.Count;
        FilterCall first = ParseFilterCall();
        CapturedBlock block = ParseCaptured("endfilter");
        RefuseUnknown(unknown);
        return new FilterBlockStatement(line, block with { Filters = [first, .. block.Filters] });
    }

    /// <summary>Parses more filters, then a body up to its end.</summary>
    private CapturedBlock ParseCaptured(string end)
    {
        int unknown = _unknown.Count;
        List<FilterCall> filters = [];
        while (TakeOperator("|")) filters.Add(ParseFilterCall());
        Statement[] body = ParseEnclosed(end);
        Take();
        RefuseUnknown(unknown);
        return new CapturedBlock([.. filters], body);
    }

    private ScopeStatement ParseWith(int line)
    {
        List<KeyValuePair<Target, Expression>> names = [];
        while (Current.Kind != TokenKind.BlockEnd)
        {
            if (names.Count > 0) ExpectOperator(",");
            Target target = ParseTarget(end: null);
            ExpectOperator("=");
            names.Add(new(target, ParseExpression()));
        }
        int unknown = _unknown.Count;
        Statement[] body = ParseEnclosed("endwith");
        Take();
        RefuseUnknown(unknown);
        return new ScopeStatement(line, [.. names], body);
    }

    private ScopeStatement ParseGeneration(int line)
    {
        int unknown = _unknown.Count;
        Statement[] body = ParseEnclosed("endgeneration");
        Take();
        RefuseUnknown(unknown);
        return new ScopeStatement(line, [], body);
    }

    private List<Statement> ParsePrint(int line)
    {
        List<Statement> outputs = [];
        while (Current.Kind != TokenKind.BlockEnd)
        {
            if (outputs.Count > 0) ExpectOperator(",");
            outputs.Add(new OutputStatement(line, ParseExpression()));
        }
        return outputs;
    }

    private MacroStatement ParseMacro(int line)
    {
        string name = ExpectAssignable();
        int unknown = _unknown.Count;
        List<KeyValuePair<string, Expression?>> signature = ParseSignature();
        RefuseUnknown(unknown);
        return new MacroStatement(name, ParseMacroRest(name, line, signature, "endmacro"));
    }

    private CallBlockStatement ParseCallBlock(int line)
    {
        List<KeyValuePair<string, Expression?>> signature = Current.IsOperator("(") ? ParseSignature() : [];
        if (ParseExpression() is not CallExpression call) throw new ChatTemplateException("expected call", line);
        return new CallBlockStatement(ParseMacroRest(name: null, line, signature, "endcall"), call);
    }

    private MacroDefinition ParseMacroRest(string? name, int line, List<KeyValuePair<string, Expression?>> signature, string end)
    {
        int unknown = _unknown.Count, loops = _loops;
        string[] outerNames = [.. _specialNames];
        _specialNames.Clear();
        _loops = 0;
        Statement[] body = ParseEnclosed(end);
        Take();
        _loops = loops;
        RefuseUnknown(unknown);
        string[] parameters = [.. signature.Select(parameter => parameter.Key)];
        MacroDefinition macro = new(name, line, parameters, [.. signature.Select(parameter => parameter.Value)], body,
            ReadsCaller: _specialNames.Contains("caller"),
            ReadsNamed: _specialNames.Contains("kwargs") && !parameters.Contains("kwargs"),
            ReadsRest: _specialNames.Contains("varargs") && !parameters.Contains("varargs"));
        _specialNames.UnionWith(outerNames);
        int callerAt = Array.IndexOf(parameters, "caller");
        if (macro.ReadsCaller && callerAt >= 0 && macro.Defaults[callerAt] is null)
            throw new ChatTemplateException("the special \"caller\" argument must be omitted or be given a default", line);
        return macro;
    }

    private List<KeyValuePair<string, Expression?>> ParseSignature()
    {
        List<KeyValuePair<string, Expression?>> parameters = [];
        ExpectOperator("(");
        while (!Current.IsOperator(")"))
        {
            if (parameters.Count > 0) ExpectOperator(",");
            string name = ExpectAssignable();
            Expression? value = TakeOperator("=") ? ParseExpression() : null;
            if (value is null && parameters.Count > 0 && parameters[^1].Value is not null)
                throw Fail("non-default argument follows default argument");
            parameters.Add(new(name, value));
        }
        Take();
        return parameters;
    }

    private NamespaceTarget ParseNamespaceTarget()
    {
        string name = ExpectIdentifier();
        Take();
        return new NamespaceTarget(name, ExpectIdentifier());
    }

    /// <summary>Parses a name, or several with commas between them, up to a name or an operator that is none of them.</summary>
    private Target ParseTarget(string? end, bool withNamespaces = false)
    {
        List<Target> targets = [];
        bool isTuple = false;
        while (!IsTupleEnd(end) && !Current.IsOperator("="))
        {
            targets.Add(TakeOperator("(") ? ParseNestedTarget()
                : withNamespaces && Following.IsOperator(".") ? ParseNamespaceTarget()
                : new NameTarget(ExpectAssignable()));
            if (!TakeOperator(",")) break;
            isTuple = true;
        }
        if (targets.Count == 0) throw Unexpected("a name");
        return isTuple ? new TupleTarget([.. targets]) : targets[0];
    }

    private Target ParseNestedTarget()
    {
        Enter();
        Target target = ParseTarget(end: null);
        Leave();
        ExpectOperator(")");
        return target;
    }

    private string ExpectAssignable()
    {
        string name = ExpectIdentifier();
        return name is "true" or "false" or "none" or "True" or "False" or "None" ? throw Fail($"can't assign to '{name}'") : name;
    }

    private static IEnumerable<string> Names(Target target) => target switch
    {
        NameTarget name => [name.Name],
        TupleTarget tuple => tuple.Targets.SelectMany(Names),
        _ => [],
    };
}
