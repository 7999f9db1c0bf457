using EdgeLlm.Chat.Jinja.Nodes;
using EdgeLlm.Chat.Jinja.Values;

namespace EdgeLlm.Chat.Jinja.Syntax;

internal sealed partial class Parser
{
    private Expression ParsePostfix(Expression expression)
    {
        while (Current.Kind == TokenKind.Operator)
        {
            Expression? next = Current.Text switch
            {
                "." => ParseAttribute(expression),
                "[" => ParseSubscript(expression),
                "(" => new CallExpression(Current.Line, expression, ParseArguments()),
                _ => null,
            };
            if (next is null) break;
            expression = next;
        }
        return expression;
    }

    private Expression ParseFiltersAndTests(Expression expression)
    {
        while (true)
        {
            int line = Current.Line;
            if (TakeOperator("|")) expression = new FilterExpression(line, expression, ParseFilterCall());
            else if (TakeName("is")) expression = ParseTest(expression, line);
            else if (Current.IsOperator("(")) expression = new CallExpression(line, expression, ParseArguments());
            else return expression;
        }
    }

    private Expression ParseAttribute(Expression target)
    {
        int line = Take().Line;
        Token name = Current;
        if (name.Kind == TokenKind.Name) return new AttributeExpression(line, target, Take().Text);
        if (name.Number is not IntegerValue index) throw Fail("expected name or number");
        Take();
        return new ItemExpression(line, target, new ConstantExpression(line, index));
    }

    private Expression ParseSubscript(Expression target)
    {
        int line = Take().Line;
        Expression subscript = ParseSliceOrIndex(target, line);
        if (subscript is SliceExpression || Current.IsOperator("]"))
        {
            ExpectOperator("]");
            return subscript is SliceExpression ? subscript : new ItemExpression(line, target, subscript);
        }
        List<Expression> keys = [subscript];
        while (TakeOperator(",")) keys.Add(ParseExpression());
        ExpectOperator("]");
        return new ItemExpression(line, target, new SequenceExpression(line, [.. keys], isTuple: true));
    }

    /// <summary>Parses the contents of brackets: a slice of the target, or the index by itself.</summary>
    private Expression ParseSliceOrIndex(Expression target, int line)
    {
        Expression? start = Current.IsOperator(":") ? null : ParseExpression();
        if (start is not null && !Current.IsOperator(":")) return start;
        ExpectOperator(":");
        Expression? stop = IsBound() ? ParseExpression() : null;
        Expression? step = TakeOperator(":") && IsBound() ? ParseExpression() : null;
        return new SliceExpression(line, target, start, stop, step);

        bool IsBound() => !(Current.IsOperator(":") || Current.IsOperator("]") || Current.IsOperator(","));
    }

    private FilterCall ParseFilterCall()
    {
        Token token = Current;
        string name = ParseDottedName();
        FilterCall filter = new(name, Current.IsOperator("(") ? ParseArguments() : ArgumentList.None);
        if (!filter.IsKnown) _unknown.Add(token with { Text = name });
        return filter;
    }

    private Expression ParseTest(Expression value, int line)
    {
        bool isNegated = TakeName("not");
        Token token = Current;
        string name = ParseDottedName();
        TestExpression test = new(line, value, name, ParseTestArguments());
        if (!test.IsKnown) _unknown.Add(token with { Text = name });
        return isNegated ? Not(line, test) : test;
    }

    /// <summary>Parses the arguments of a test: in parentheses, or a single one without.</summary>
    private ArgumentList ParseTestArguments()
    {
        if (Current.IsOperator("(")) return ParseArguments();
        bool isArgument = Current.Kind is TokenKind.String or TokenKind.Literal or TokenKind.Name
            || Current.IsOperator("[") || Current.IsOperator("{");
        if (!isArgument || (Current.Kind == TokenKind.Name && Current.Text is "else" or "or" or "and")) return ArgumentList.None;
        if (Current.IsName("is")) throw Fail("You cannot chain multiple tests with is");
        return new ArgumentList([ParsePostfix(ParsePrimary())], [], null, null);
    }

    private string ParseDottedName()
    {
        string name = ExpectIdentifier();
        while (TakeOperator(".")) name += "." + ExpectIdentifier();
        return name;
    }

    private ArgumentList ParseArguments()
    {
        ExpectOperator("(");
        List<Expression> positional = [];
        List<KeyValuePair<StringValue, Expression>> named = [];
        HashSet<string> names = [];
        Expression? rest = null, namedRest = null;
        for (bool isFirst = true; !Current.IsOperator(")"); isFirst = false)
        {
            if (!isFirst) ExpectOperator(",");
            if (Current.IsOperator(")")) break;
            bool isNamed = Current.Kind == TokenKind.Name && Following.IsOperator("=");
            bool isRest = Current.IsOperator("*"), isNamedRest = Current.IsOperator("**");
            bool isAllowed = namedRest is null && (isNamed || isNamedRest || (rest is null && (isRest || named.Count == 0)));
            if (!isAllowed) throw Fail("invalid syntax for function call expression");
            if (isNamed)
            {
                string name = Take().Text;
                Take();
                if (!names.Add(name)) throw Fail($"keyword argument repeated: {name}");
                named.Add(new(new StringValue(name), ParseExpression()));
                continue;
            }
            if (isRest || isNamedRest) Take();
            Expression value = ParseExpression();
            if (isRest) rest = value;
            else if (isNamedRest) namedRest = value;
            else positional.Add(value);
        }
        Take();
        return positional.Count + named.Count == 0 && rest is null && namedRest is null
            ? ArgumentList.None
            : new ArgumentList([.. positional], [.. named], rest, namedRest);
    }
}
