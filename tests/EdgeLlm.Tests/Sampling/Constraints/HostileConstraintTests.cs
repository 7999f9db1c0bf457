using EdgeLlm.Sampling.Constraints;

namespace EdgeLlm.Tests.Sampling.Constraints;

/// <summary>Counted bounds; `EdgeLlm.Fuzz hostile` prints the processor time.</summary>
public class HostileConstraintTests
{
    /// <summary>Bytes that compiling may allocate on the way, most of which are garbage soon.</summary>
    private const long MostAllocated = 60_000_000;

    public static TheoryData<string> Names => [.. HostileConstraints.All().Select(form => form.Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public void A_hostile_form_is_compiled_or_refused_within_counted_bounds(string name)
    {
        (string language, _, string source) = HostileConstraints.All().Single(form => form.Name == name);
        var budget = new CompileBudget();
        long before = GC.GetAllocatedBytesForCurrentThread();
        try
        {
            var constraint = OutputConstraint.Compile(Enum.Parse<FormLanguage>(language), source, budget);
            Assert.InRange(constraint.Bytes, 1, 10_000_000);
            Assert.InRange(budget.Spent, 1, CompileBudget.MostSteps);
        }
        catch (ConstraintException exception)
        {
            Assert.DoesNotContain('\n', exception.Message);
            Assert.InRange(exception.Message.Length, 10, 1000);
            // the step that was too much may be a large one, of a source's length
            Assert.InRange(budget.Spent, 1, CompileBudget.MostSteps + 1_100_000);
        }
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, MostAllocated);
    }
}
