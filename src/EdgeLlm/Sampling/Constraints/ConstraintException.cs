namespace EdgeLlm.Sampling.Constraints;

/// <summary>
/// A schema, pattern or grammar that can't be compiled, or an answer that it leaves no room for; the message names the place in one line.
/// </summary>
/// <param name="place">Where it is wrong: a JSON pointer to the schema's keyword, such as `#/properties/room/not`; null where that is not
/// known.</param>
public sealed class ConstraintException(string message, string? place = null) : Exception(Printable.Line(message))
{
    /// <summary>
    /// A JSON pointer to the keyword of a schema that is wrong, such as `#/properties/room/not`; null where that is not known.
    /// </summary>
    public string? Place { get; } = place;
}

/// <summary>
/// Counts the work and the states of one compilation, so that the worst input ends early, and at the same place on every machine.
/// </summary>
/// <param name="steps">Elementary steps that it may take.</param>
internal sealed class CompileBudget(long steps = CompileBudget.MostSteps)
{
    /// <summary>Elementary steps (an edge looked at, a cell of a table written): together at most some 45 ms.</summary>
    public const int MostSteps = 2_500_000;

    /// <summary>States of the result, and of each automaton on the way to it.</summary>
    public const int MostStates = 40_000;

    /// <summary>Cells of 4 bytes of all transition tables of the result.</summary>
    public const int MostCells = 1_000_000;

    /// <summary>Nesting of a pattern, schema or grammar.</summary>
    public const int MostDepth = 200;

    private readonly long _most = steps;
    private long _left = steps;

    /// <summary>Steps so far.</summary>
    public long Spent => _most - _left;

    /// <summary>Takes work off the budget.</summary>
    /// <exception cref="ConstraintException">None is left.</exception>
    public void Spend(long steps)
    {
        if ((_left -= steps) < 0)
            throw new ConstraintException(
                "it is too complex: compiling it takes more steps than are allowed; make it smaller or bound its repeats");
    }

    /// <exception cref="ConstraintException">There are more states than are allowed.</exception>
    public static void CheckStates(int count)
    {
        if (count > MostStates)
            throw new ConstraintException(
                $"it is too complex: it takes more than {MostStates} states; make it smaller or bound its repeats");
    }

    /// <exception cref="ConstraintException">It is nested too deeply.</exception>
    public static void CheckDepth(int depth)
    {
        if (depth > MostDepth) throw new ConstraintException($"it is nested more than {MostDepth} deep");
    }
}
