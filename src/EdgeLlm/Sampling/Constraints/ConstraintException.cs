namespace EdgeLlm.Sampling.Constraints;

/// <summary>A schema, pattern or grammar that can't be compiled, or an answer that it leaves no room for; the message names the place in one line.</summary>
public sealed class ConstraintException(string message) : Exception(Printable.Line(message));

/// <summary>
/// Counts the work and the states of one compilation, so that the worst input ends early, and at the same place on every machine.
/// </summary>
internal sealed class CompileBudget
{
    /// <summary>Elementary steps (an edge looked at, a cell of a table written): together some 30 ms.</summary>
    private const int MostSteps = 3_000_000;

    /// <summary>States of the result, and of each automaton on the way to it.</summary>
    public const int MostStates = 40_000;

    /// <summary>Cells of 4 bytes of all transition tables of the result.</summary>
    public const int MostCells = 1_000_000;

    /// <summary>Nesting of a pattern, schema or grammar.</summary>
    public const int MostDepth = 200;

    private long _left = MostSteps;

    /// <summary>Takes work off the budget.</summary>
    /// <exception cref="ConstraintException">None is left.</exception>
    public void Spend(long steps)
    {
        if ((_left -= steps) < 0) throw new ConstraintException("it is too complex: compiling it takes more steps than are allowed; make it smaller or bound its repeats");
    }

    /// <exception cref="ConstraintException">There are more states than are allowed.</exception>
    public static void CheckStates(int count)
    {
        if (count > MostStates) throw new ConstraintException($"it is too complex: it takes more than {MostStates} states; make it smaller or bound its repeats");
    }

    /// <exception cref="ConstraintException">It is nested too deeply.</exception>
    public static void CheckDepth(int depth)
    {
        if (depth > MostDepth) throw new ConstraintException($"it is nested more than {MostDepth} deep");
    }
}
