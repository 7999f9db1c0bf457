using EdgeLlm.Kernels;

namespace EdgeLlm.Speech.Detection.Onnx;

/// <summary>
/// A graph made ready for inputs of one shape: what depends on constants and shapes alone is computed now, branches are chosen, and what is
/// left is a list of steps on fixed buffers.
/// </summary>
/// <remarks>Not safe for several threads at once.</remarks>
internal sealed class OnnxProgram
{
    private const int MostOperations = 100_000;
    private const long MostElements = 1 << 22; // of all tensors together

    private readonly List<Action> steps = [];
    private readonly OnnxValue[] outputs;
    private long elements;
    private int operations;

    /// <param name="graph">What the file says.</param>
    /// <param name="inputs">The graph's inputs by name; their buffers are read by each <see cref="Run"/>.</param>
    /// <param name="kernel">What multiplies.</param>
    /// <exception cref="InvalidDataException">An operator is not known here, or is used in a way that is not.</exception>
    public OnnxProgram(OnnxGraph graph, IReadOnlyDictionary<string, OnnxValue> inputs, Kernel kernel)
    {
        Kernel = kernel;
        outputs = Inline(graph, new Scope(inputs, null));
    }

    /// <summary>Kernel of the products.</summary>
    public Kernel Kernel { get; }

    /// <summary>The graph's results in its order; a run overwrites those that are not constants.</summary>
    public IReadOnlyList<OnnxValue> Outputs => outputs;

    /// <summary>Computes the results from what is in the inputs' buffers.</summary>
    public void Run()
    {
        foreach (Action step in steps) step();
    }

    /// <summary>Adds a step; where all of its inputs are constants it is done now, once, and its result is one.</summary>
    public OnnxValue Add(OnnxValue result, IEnumerable<OnnxValue> inputs, Action step)
    {
        Reserve(result.Count);
        if (!inputs.All(input => input.IsConstant))
        {
            if (result.Floats is null) throw new InvalidDataException("computes integers from sound, which is not read");
            steps.Add(step);
            return result;
        }
        step();
        return result with { IsConstant = true };
    }

    /// <summary>Counts numbers that a step is about to hold.</summary>
    /// <exception cref="InvalidDataException">They are too many.</exception>
    public void Reserve(int count)
    {
        elements += count;
        if (elements > MostElements) throw new InvalidDataException($"needs more than {MostElements} numbers");
    }

    private OnnxValue[] Inline(OnnxGraph graph, Scope scope)
    {
        foreach ((string name, OnnxValue value) in graph.Initializers) scope.Set(name, value);
        foreach (OnnxNode node in graph.Nodes)
        {
            if (++operations > MostOperations) throw new InvalidDataException($"has more than {MostOperations} operations");
            OnnxValue?[] inputs = [.. node.Inputs.Select(name => name.Length == 0 ? null : scope.Get(name))];
            IReadOnlyList<OnnxValue> results = node.Operator == "If" ? Choose(node, inputs, scope)
                : [.. OnnxOperators.Apply(this, node, inputs)];
            for (int i = 0; i < node.Outputs.Count; i++)
            {
                if (node.Outputs[i].Length > 0)
                    scope.Set(node.Outputs[i],
                        i < results.Count ? results[i] : throw new InvalidDataException($"wants output {i} of {node.Operator}"));
            }
        }
        return [.. graph.Outputs.Select(scope.Get)];
    }

    /// <summary>A branch has no inputs of its own: it uses the names around it.</summary>
    private OnnxValue[] Choose(OnnxNode node, OnnxValue?[] inputs, Scope scope)
    {
        if (inputs is not [{ Integers: [var condition] }])
            throw new InvalidDataException("has an If whose condition is not known before sound comes");
        string branch = condition != 0 ? "then_branch" : "else_branch";
        return Inline(node.Attributes.GetValueOrDefault(branch)?.Graph ?? throw new InvalidDataException($"has an If without its {branch}"),
            new Scope(new Dictionary<string, OnnxValue>(), scope));
    }

    /// <summary>Names of a graph and of those around it.</summary>
    private sealed class Scope(IReadOnlyDictionary<string, OnnxValue> given, Scope? outer)
    {
        private readonly Dictionary<string, OnnxValue> values = new(given);

        public void Set(string name, OnnxValue value) => values[name] = value;

        public OnnxValue Get(string name)
        {
            for (Scope? scope = this; scope is not null; scope = scope.Outer)
            {
                if (scope.values.TryGetValue(name, out OnnxValue? value)) return value;
            }
            throw new InvalidDataException($"uses a tensor '{Printable.Line(name, 80)}' that nothing gives");
        }

        private Scope? Outer => outer;
    }
}
