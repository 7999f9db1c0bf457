using System.Text.Json;
using EdgeLlm.Sampling.Constraints;

namespace EdgeLlm.Tests.Sampling.Constraints;

/// <summary>
/// The standard's own tests of draft 2020-12 (Data/draft2020-12): no invalid value is accepted, and no valid one of a schema that compiles
/// is refused.
/// </summary>
public class JsonSchemaSuiteTests
{
    /// <summary>
    /// Formats are asserted here, and the standard's main tests take them as annotations: those of optional/format hold instead.
    /// </summary>
    private static readonly string[] NotHere = ["format.json", "refRemote.json", "vocabulary.json", "content.json", "dynamicRef.json"];

    /// <summary>Valid values that are refused on purpose.</summary>
    private static readonly string[] Narrower =
    [
        "large exponents", // numbers of over 15 digits or exponents over 279
    ];

    private static string Folder =>
        Path.Combine(SharedFolder.RepositoryRoot, "tests", "EdgeLlm.Tests", "Sampling", "Constraints", "Data", "draft2020-12");

    public static TheoryData<string> Files =>
        [.. Directory.EnumerateFiles(Folder, "*.json").Select(file => Path.GetFileName(file)!).Where(file => !NotHere.Contains(file))
            .Order(StringComparer.Ordinal)];

    public static TheoryData<string> Formats =>
        [.. Directory.EnumerateFiles(Path.Combine(Folder, "optional", "format"), "*.json").Select(file => Path.GetFileName(file)!)
            .Order(StringComparer.Ordinal)];

    [Theory]
    [MemberData(nameof(Files))]
    public void No_invalid_value_is_accepted_and_no_valid_one_refused(string file)
    {
        var wrong = new List<string>();
        Run(file, (test, accepted, valid) =>
        {
            if (accepted != valid && !(valid && Narrower.Any(test.Contains))) wrong.Add(test);
        });
        Assert.True(wrong.Count == 0, string.Join('\n', wrong));
    }

    [Theory]
    [MemberData(nameof(Formats))]
    public void No_text_that_is_not_of_a_format_is_accepted(string file)
    {
        var wrong = new List<string>();
        Run(Path.Combine("optional", "format", file), (test, accepted, valid) =>
        {
            if (accepted && !valid) wrong.Add(test);
        });
        Assert.True(wrong.Count == 0, string.Join('\n', wrong));
    }

    [Fact]
    public void Most_of_the_suite_compiles()
    {
        int compiled = 0, all = 0;
        foreach (string file in Directory.EnumerateFiles(Folder, "*.json"))
        {
            using JsonDocument suite = JsonDocument.Parse(File.ReadAllBytes(file));
            foreach (JsonElement group in suite.RootElement.EnumerateArray())
            {
                all++;
                try
                {
                    OutputConstraint.JsonSchema(group.GetProperty("schema"));
                    compiled++;
                }
                catch (ConstraintException)
                {
                    // Not supported; what is, is in docs/constraints.md.
                }
            }
        }
        Assert.True(compiled > 180, $"{compiled} of {all} schemas compile");
    }

    private static void Run(string file, Action<string, bool, bool> check)
    {
        using JsonDocument suite = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(Folder, file)));
        foreach (JsonElement group in suite.RootElement.EnumerateArray())
        {
            JsonElement schema = group.GetProperty("schema");
            OutputConstraint? constraint = null;
            try
            {
                constraint = OutputConstraint.JsonSchema(schema);
            }
            catch (ConstraintException exception) when (exception.Message.Contains("no text at all", StringComparison.Ordinal))
            {
                // It accepts nothing: so must the tests say.
            }
            catch (ConstraintException)
            {
                continue;
            }
            foreach (JsonElement test in group.GetProperty("tests").EnumerateArray())
            {
                bool accepted = constraint?.Accepts(test.GetProperty("data")) == true;
                check($"{group.GetProperty("description")}: {test.GetProperty("description")}: {test.GetProperty("data").GetRawText()}",
                    accepted, test.GetProperty("valid").GetBoolean());
            }
        }
    }
}
