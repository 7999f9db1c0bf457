using System.Text;
using EdgeLlm.Chat.Jinja.Nodes;
using EdgeLlm.Chat.Jinja.Runtime;
using EdgeLlm.Chat.Jinja.Values;

namespace EdgeLlm.Chat.Jinja.Syntax;

internal sealed partial class Parser
{
    private Expression ParseExpression(bool withConditional = true) => withConditional ? ParseConditional() : ParseOr();

    /// <summary>Parses an expression, or a tuple of several with commas between them.</summary>
    private Expression ParseTuple(bool withConditional = true, string? end = null, bool isParenthesized = false)
    {
        int line = Current.Line;
        List<Expression> items = [];
        bool isTuple = false;
        while (!IsTupleEnd(end))
        {
            items.Add(ParseExpression(withConditional));
            if (!TakeOperator(",")) break;
            isTuple = true;
        }
        if (items.Count == 0 && !isParenthesized) throw Unexpected("an expression");
        return isTuple || items.Count == 0 ? new SequenceExpression(line, [.. items], isTuple: true) : items[0];
    }

    private bool IsTupleEnd(string? end) =>
        Current.Kind is TokenKind.OutputEnd or TokenKind.BlockEnd || Current.IsOperator(")") || (end is not null && Current.IsName(end));

    private Expression ParseConditional()
    {
        Enter();
        int unknown = _unknown.Count, line = Current.Line;
        Expression expression = ParseOr();
        while (TakeName("if"))
        {
            Expression condition = ParseOr();
            Expression? otherwise = TakeName("else") ? ParseConditional() : null;
            expression = new ConditionalExpression(line, condition, expression, otherwise);
            AllowUnknown(unknown);
        }
        Leave();
        return expression;
    }

    private Expression ParseOr()
    {
        Expression left = ParseAnd();
        while (Current.IsName("or")) left = new LogicalExpression(Take().Line, isOr: true, left, ParseAnd());
        return left;
    }

    private Expression ParseAnd()
    {
        Expression left = ParseNot();
        while (Current.IsName("and")) left = new LogicalExpression(Take().Line, isOr: false, left, ParseNot());
        return left;
    }

    private Expression ParseNot()
    {
        if (!Current.IsName("not")) return ParseComparison();
        Enter();
        Expression negated = Not(Take().Line, ParseNot());
        Leave();
        return negated;
    }

    private static UnaryExpression Not(int line, Expression operand) =>
        new(line, static (_, value) => BooleanValue.Of(!value.IsTrue), operand);

    private Expression ParseComparison()
    {
        int line = Current.Line;
        Expression first = ParseSum();
        List<KeyValuePair<string, Expression>> rest = [];
        while (TakeComparison() is string symbol) rest.Add(new(symbol, ParseSum()));
        return rest.Count == 0 ? first : new ComparisonExpression(line, first, [.. rest]);
    }

    private string? TakeComparison()
    {
        if (Current.Kind == TokenKind.Operator && Current.Text is "==" or "!=" or "<" or "<=" or ">" or ">=") return Take().Text;
        if (TakeName("in")) return "in";
        if (!Current.IsName("not") || !Following.IsName("in")) return null;
        Take();
        Take();
        return "not in";
    }

    private Expression ParseSum()
    {
        Expression left = ParseConcatenation();
        while (Current.Kind == TokenKind.Operator && Current.Text is "+" or "-")
        {
            Token symbol = Take();
            left = new BinaryExpression(symbol.Line, symbol.Text == "+" ? Operators.Add : Operators.Subtract, left, ParseConcatenation());
        }
        return left;
    }

    private Expression ParseConcatenation()
    {
        int line = Current.Line;
        List<Expression> operands = [ParseProduct()];
        while (TakeOperator("~")) operands.Add(ParseProduct());
        return operands.Count == 1 ? operands[0] : new ConcatenationExpression(line, [.. operands]);
    }

    private Expression ParseProduct()
    {
        Expression left = ParsePower();
        while (Current.Kind == TokenKind.Operator)
        {
            Func<Rendering, Value, Value, Value>? operation = Current.Text switch
            {
                "*" => Operators.Multiply,
                "/" => Operators.Divide,
                "//" => Operators.FloorDivide,
                "%" => Operators.Modulo,
                _ => null,
            };
            if (operation is null) break;
            left = new BinaryExpression(Take().Line, operation, left, ParsePower());
        }
        return left;
    }

    private Expression ParsePower()
    {
        Expression left = ParseUnary();
        while (Current.IsOperator("**")) left = new BinaryExpression(Take().Line, Operators.Power, left, ParseUnary());
        return left;
    }

    private Expression ParseUnary(bool withFilters = true)
    {
        Expression expression;
        if (Current.Kind == TokenKind.Operator && Current.Text is "-" or "+")
        {
            Token sign = Take();
            Enter();
            expression =
                new UnaryExpression(sign.Line, sign.Text == "-" ? Operators.Negate : Operators.Plus, ParseUnary(withFilters: false));
            Leave();
        }
        else
        {
            expression = ParsePrimary();
        }
        expression = ParsePostfix(expression);
        return withFilters ? ParseFiltersAndTests(expression) : expression;
    }

    private Expression ParsePrimary()
    {
        Token token = Current;
        switch (token.Kind)
        {
            case TokenKind.Name:
                Take();
                return ParseName(token);
            case TokenKind.String:
                // Strings side by side are one.
                StringBuilder text = new(Take().Text);
                while (Current.Kind == TokenKind.String) text.Append(Take().Text);
                return new ConstantExpression(token.Line, new StringValue(text.ToString()));
            case TokenKind.Literal:
                return new ConstantExpression(token.Line, Take().Number!);
            case TokenKind.Operator when token.Text == "(":
                Take();
                Expression inner = ParseTuple(isParenthesized: true);
                ExpectOperator(")");
                return inner;
            case TokenKind.Operator when token.Text == "[":
                return ParseList();
            case TokenKind.Operator when token.Text == "{":
                return ParseDict();
            default:
                throw Fail($"unexpected {token.Description}");
        }
    }

    private Expression ParseName(Token token)
    {
        if (token.Text is "caller" or "kwargs" or "varargs") _specialNames.Add(token.Text);
        return token.Text switch
        {
            "true" or "True" => new ConstantExpression(token.Line, BooleanValue.True),
            "false" or "False" => new ConstantExpression(token.Line, BooleanValue.False),
            "none" or "None" => new ConstantExpression(token.Line, NoneValue.Instance),
            _ => new NameExpression(token.Line, token.Text),
        };
    }

    private SequenceExpression ParseList()
    {
        int line = Take().Line;
        List<Expression> items = [];
        while (!Current.IsOperator("]"))
        {
            if (items.Count > 0) ExpectOperator(",");
            if (Current.IsOperator("]")) break;
            items.Add(ParseExpression());
        }
        Take();
        return new SequenceExpression(line, [.. items], isTuple: false);
    }

    private DictExpression ParseDict()
    {
        int line = Take().Line;
        List<KeyValuePair<Expression, Expression>> entries = [];
        while (!Current.IsOperator("}"))
        {
            if (entries.Count > 0) ExpectOperator(",");
            if (Current.IsOperator("}")) break;
            Expression key = ParseExpression();
            ExpectOperator(":");
            entries.Add(new(key, ParseExpression()));
        }
        Take();
        return new DictExpression(line, [.. entries]);
    }
}
