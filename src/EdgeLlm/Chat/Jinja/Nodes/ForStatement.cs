using EdgeLlm.Chat.Jinja.Runtime;
using EdgeLlm.Chat.Jinja.Values;

namespace EdgeLlm.Chat.Jinja.Nodes;

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
