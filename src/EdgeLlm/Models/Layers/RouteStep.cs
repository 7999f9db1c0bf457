using EdgeLlm.Kernels.Scalar;
using EdgeLlm.Models.Spec;

namespace EdgeLlm.Models.Layers;

/// <summary>
/// Which tokens of the pass at hand go to which expert: their pairs are in rows, those of an expert side by side. Row r of a register of
/// rows is number r % Used of token r / Used of its operand. Written by <see cref="RouteStep"/>.
/// </summary>
internal sealed class Routing(ExpertsSpec experts)
{
    private readonly int[] _starts = new int[experts.Count + 1];
    private int[] _tokens = [];

    public ExpertsSpec Experts => experts;

    /// <summary>Experts that have rows, in order.</summary>
    public int[] Active { get; } = new int[experts.Count];

    /// <summary>How many of <see cref="Active"/> count.</summary>
    public int ActiveCount { get; private set; }

    /// <summary>The first row of an expert.</summary>
    public int StartOf(int expert) => _starts[expert];

    /// <summary>The token that a row is of.</summary>
    public int TokenOf(int row) => _tokens[row];

    /// <summary>Rows of an expert.</summary>
    public int CountOf(int expert) => _starts[expert + 1] - _starts[expert];

    /// <summary>Sorts the tokens' choices by expert: `places` [tokens][Used] get the rows, in the order of the tokens.</summary>
    /// <param name="choices">[tokens][Used] experts.</param>
    public unsafe void Sort(int tokens, int* choices, int* places)
    {
        int pairs = tokens * experts.Used;
        Array.Clear(_starts);
        for (int i = 0; i < pairs; i++) _starts[choices[i] + 1]++;
        ActiveCount = 0;
        for (int e = 0; e < experts.Count; e++)
        {
            if (_starts[e + 1] > 0) Active[ActiveCount++] = e;
            _starts[e + 1] += _starts[e];
        }
        // Each start moves on to its expert's end, which is the next one's start: then all move back by one.
        if (_tokens.Length < pairs) _tokens = new int[pairs];
        for (int i = 0; i < pairs; i++) _tokens[places[i] = _starts[choices[i]]++] = i / experts.Used;
        for (int e = experts.Count; e > 0; e--) _starts[e] = _starts[e - 1];
        _starts[0] = 0;
    }
}

/// <summary>From a router's results to each token's experts, their weights, and the order of the rows.</summary>
internal sealed unsafe class RouteStep : Step
{
    private readonly Routing _routing;
    private readonly TensorUse? _choiceBias;
    private readonly double[] _scores;
    private float* _bias;

    /// <param name="choiceBias">[experts] added to the scores when experts are chosen, or null.</param>
    /// <param name="weights">[Used] weights of a token's experts.</param>
    /// <param name="choices">[Used] experts of a token, whole numbers in place of floats.</param>
    /// <param name="places">[Used] rows of a token's experts, whole numbers in place of floats.</param>
    public RouteStep(Routing routing, TensorUse? choiceBias, Operand results, Operand weights, Operand choices, Operand places)
    {
        (_routing, _choiceBias, Results, Weights, Choices, Places) = (routing, choiceBias, results, weights, choices, places);
        _scores = new double[routing.Experts.Count];
    }

    public Operand Results { get; }

    public Operand Weights { get; }

    public Operand Choices { get; }

    public Operand Places { get; }

    public override Operation Operation => Operation.Route;

    public override IEnumerable<TensorUse> Tensors => _choiceBias is null ? [] : [_choiceBias];

    public override IEnumerable<Operand> Inputs => [Results];

    public override IEnumerable<Operand> Outputs => [Weights, Choices, Places];

    public override void Bind(ModelTensors tensors, int context) => _bias = _choiceBias is null ? null : tensors.Vector(_choiceBias);

    public override void Run(Pass pass)
    {
        for (int t = 0; t < pass.Tokens; t++)
        {
            if (!Choose(Results.Row(t), Weights.Row(t), (int*)Choices.Row(t))) pass.NoteNotFinite();
        }
        _routing.Sort(pass.Tokens, (int*)Choices.Start, (int*)Places.Start);
    }

    /// <summary>The experts of a token, highest score first. In double, with our own functions: the same choice on every machine.</summary>
    private bool Choose(float* results, float* weights, int* choices)
    {
        ExpertsSpec experts = _routing.Experts;
        bool isFinite = Score(results);
        double sum = 0;
        for (int k = 0; k < experts.Used; k++)
        {
            int best = -1;
            double highest = double.NegativeInfinity;
            for (int e = 0; e < _scores.Length; e++)
            {
                double score = _scores[e] + (_bias == null ? 0 : _bias[e]);
                if ((best < 0 || score > highest) && !IsChosen(e, choices, k)) (best, highest) = (e, score);
            }
            choices[k] = best;
            sum += _scores[best];
        }
        double factor = experts.Scale;
        // The reference of the sigmoid's families adds as much, so that no sum is 0.
        if (experts.IsNormalized) factor /= sum + (experts.Score == RouterScore.Sigmoid ? 1e-6 : 0);
        for (int k = 0; k < experts.Used; k++) weights[k] = (float)(_scores[choices[k]] * factor);
        return isFinite;
    }

    private static bool IsChosen(int expert, int* choices, int count)
    {
        for (int k = 0; k < count; k++)
        {
            if (choices[k] == expert) return true;
        }
        return false;
    }

    private bool Score(float* results)
    {
        double largest = double.NegativeInfinity, sum = 0;
        for (int e = 0; e < _scores.Length; e++)
        {
            if (!float.IsFinite(results[e]))
            {
                Array.Fill(_scores, 1); // the pass ends at the next norm
                return false;
            }
            largest = Math.Max(largest, results[e]);
        }
        for (int e = 0; e < _scores.Length; e++)
        {
            _scores[e] = _routing.Experts.Score == RouterScore.Sigmoid ? 1 / (1 + Polynomials.Exp(-(double)results[e]))
                : Polynomials.Exp(results[e] - largest);
            sum += _scores[e];
        }
        if (_routing.Experts.Score == RouterScore.Softmax)
        {
            for (int e = 0; e < _scores.Length; e++) _scores[e] /= sum;
        }
        return true;
    }
}

/// <summary>Tokens to the rows of their experts.</summary>
internal sealed unsafe class GatherStep(Routing routing, Operand places, Operand from, Operand rows) : TokenStep
{
    public Operand From => from;

    public Operand Rows => rows;

    public override Operation Operation => Operation.Route;

    public override IEnumerable<Operand> Inputs => [places, from];

    public override IEnumerable<Operand> Outputs => [rows];

    protected override void RunToken(int token, int thread)
    {
        int used = routing.Experts.Used;
        for (int k = 0; k < used; k++)
            Buffer.MemoryCopy(from.Row(token), rows.Start + ((int*)places.Row(token))[k] * (nint)from.Width,
                4L * from.Width, 4L * from.Width);
    }
}

/// <summary>The weighted sum of what a token's experts made of it, the one with the highest score first.</summary>
internal sealed unsafe class CombineStep(Routing routing, Operand places, Operand weights, Operand rows, Operand to) : TokenStep
{
    public Operand Rows => rows;

    public Operand To => to;

    public override Operation Operation => Operation.Route;

    public override IEnumerable<Operand> Inputs => [places, weights, rows];

    public override IEnumerable<Operand> Outputs => [to];

    protected override void RunToken(int token, int thread)
    {
        int used = routing.Experts.Used;
        float* sum = to.Row(token);
        for (int k = 0; k < used; k++)
        {
            float* row = rows.Start + ((int*)places.Row(token))[k] * (nint)to.Width;
            Pass.Kernel.Multiply(row, weights.Row(token)[k], to.Width);
            if (k == 0) Buffer.MemoryCopy(row, sum, 4L * to.Width, 4L * to.Width);
            else Pass.Kernel.Add(sum, row, to.Width);
        }
    }
}
