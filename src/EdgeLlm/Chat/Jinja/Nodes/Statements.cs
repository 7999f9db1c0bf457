using EdgeLlm.Chat.Jinja.Runtime;
using EdgeLlm.Chat.Jinja.Values;

namespace EdgeLlm.Chat.Jinja.Nodes;

/// <summary>A part of a template that does something: writes, sets, chooses, repeats.</summary>
internal abstract class Statement(int line)
{
    public int Line { get; } = line;

    public Flow Execute(Rendering rendering, Scope scope)
    {
        int outerLine = rendering.Enter(Line);
        Flow flow = Run(rendering, scope);
        rendering.Leave(outerLine);
        return flow;
    }

    /// <summary>Runs statements in order, up to a break or continue.</summary>
    public static Flow ExecuteAll(Statement[] statements, Rendering rendering, Scope scope)
    {
        foreach (Statement statement in statements)
        {
            Flow flow = statement.Execute(rendering, scope);
            if (flow != Flow.Next) return flow;
        }
        return Flow.Next;
    }

    protected abstract Flow Run(Rendering rendering, Scope scope);
}

/// <summary>Continuation after a statement.</summary>
internal enum Flow { Next, Break, Continue }

/// <summary><c>{% break %}</c> and <c>{% continue %}</c>.</summary>
internal sealed class FlowStatement(int line, Flow flow) : Statement(line)
{
    protected override Flow Run(Rendering rendering, Scope scope) => flow;
}

/// <summary>The template's own text.</summary>
internal sealed class TextStatement(int line, string text) : Statement(line)
{
    protected override Flow Run(Rendering rendering, Scope scope)
    {
        rendering.Output.Append(text);
        return Flow.Next;
    }
}

/// <summary><c>{{ expression }}</c>.</summary>
internal sealed class OutputStatement(int line, Expression expression) : Statement(line)
{
    protected override Flow Run(Rendering rendering, Scope scope)
    {
        rendering.Output.Append(expression.Evaluate(rendering, scope).ToText(rendering));
        return Flow.Next;
    }
}

/// <summary>Target of an assignment.</summary>
internal abstract class Target
{
    public abstract void Assign(Rendering rendering, Scope scope, Value value);
}

internal sealed class NameTarget(string name) : Target
{
    public string Name { get; } = name;

    public override void Assign(Rendering rendering, Scope scope, Value value) => scope.Set(rendering, Name, value);
}

/// <summary><c>a, b</c>: takes a value apart.</summary>
internal sealed class TupleTarget(Target[] targets) : Target
{
    public Target[] Targets { get; } = targets;

    public override void Assign(Rendering rendering, Scope scope, Value value)
    {
        List<Value> values = rendering.ToList(value);
        if (values.Count != Targets.Length) throw rendering.Fail($"{Targets.Length} values to unpack expected, got {values.Count}");
        for (int i = 0; i < values.Count; i++) Targets[i].Assign(rendering, scope, values[i]);
    }
}

/// <summary><c>name.attribute</c>, where the name must hold a namespace.</summary>
internal sealed class NamespaceTarget(string name, string attribute) : Target
{
    private readonly StringValue _attribute = new(attribute);

    public override void Assign(Rendering rendering, Scope scope, Value value)
    {
        if (scope.Find(rendering, name) is not NamespaceValue target)
            throw rendering.Fail("cannot assign attribute on non-namespace object");
        target.Set(rendering, _attribute, value);
    }
}

/// <summary><c>{% set target = expression %}</c>.</summary>
internal sealed class SetStatement(int line, Target target, Expression expression) : Statement(line)
{
    protected override Flow Run(Rendering rendering, Scope scope)
    {
        target.Assign(rendering, scope, expression.Evaluate(rendering, scope));
        return Flow.Next;
    }
}

internal sealed class IfStatement(int line, KeyValuePair<Expression, Statement[]>[] branches, Statement[] otherwise) : Statement(line)
{
    protected override Flow Run(Rendering rendering, Scope scope)
    {
        foreach ((Expression condition, Statement[] body) in branches)
            if (condition.Evaluate(rendering, scope).IsTrue) return ExecuteAll(body, rendering, scope);
        return ExecuteAll(otherwise, rendering, scope);
    }
}

/// <summary><c>{% for target in iterable if condition recursive %}...{% else %}...{% endfor %}</c>.</summary>
internal sealed class ForStatement(
    int line, Target target, Expression iterable, Expression? condition, bool isRecursive, Statement[] body, Statement[] otherwise)
    : Statement(line)
{
    protected override Flow Run(Rendering rendering, Scope scope)
    {
        Loop(rendering, scope, iterable.Evaluate(rendering, scope), depth: 0);
        return Flow.Next;
    }

    private void Loop(Rendering rendering, Scope scope, Value items, int depth)
    {
        IEnumerator<Value> iterator = rendering.Iterate(items);
        int? length = items.Length(rendering);
        if (condition is not null) (iterator, length) = (Matching(rendering, scope, iterator), null);
        Func<Value, Value>? recurse = isRecursive ? inner => Recurse(rendering, scope, inner, depth + 1) : null;
        LoopValue loop = new(iterator, length, recurse, depth);
        // Jinja's else also runs where no pass came to its end, for a break or continue.
        bool hasCompleted = false;
        while (loop.MoveNext())
        {
            rendering.AllocateScope();
            Scope pass = new(scope);
            target.Assign(rendering, pass, loop.Current);
            pass.Set(rendering, "loop", loop);
            Flow flow = ExecuteAll(body, rendering, pass);
            if (flow == Flow.Break) break;
            hasCompleted |= flow == Flow.Next;
        }
        if (!hasCompleted) ExecuteAll(otherwise, rendering, new Scope(scope));
    }

    private IEnumerator<Value> Matching(Rendering rendering, Scope scope, IEnumerator<Value> items)
    {
        while (items.MoveNext())
        {
            rendering.AllocateScope();
            Scope test = new(scope);
            target.Assign(rendering, test, items.Current);
            if (condition!.Evaluate(rendering, test).IsTrue) yield return items.Current;
        }
    }

    /// <summary><c>loop(items)</c>: the loop's text for items deeper down.</summary>
    private StringValue Recurse(Rendering rendering, Scope scope, Value items, int depth)
    {
        int outerLine = rendering.Enter(Line);
        StringValue text = rendering.Capture((this, scope, items, depth),
            static (rendering, state) => state.Item1.Loop(rendering, state.scope, state.items, state.depth));
        rendering.Leave(outerLine);
        return text;
    }
}
