using System.Text.RegularExpressions;

namespace EdgeLlm.Tests;

/// <summary>Docstrings of src make sense in a tooltip, to somebody who has not seen the file (CONTRIBUTING.md, "English").</summary>
public sealed partial class DocumentationTests
{
    [Fact]
    public void No_summary_begins_with_What_or_The_same() =>
        Assert.Empty(Docstrings().Where(line => BadBeginning().IsMatch(line.Text)).Select(line => line.ToString()));

    [Fact]
    public void No_docstring_has_a_word_of_the_glossary() =>
        Assert.Empty(Docstrings().Where(line => Glossary().IsMatch(line.Text)).Select(line => line.ToString()));

    [Theory]
    [InlineData("/// <summary>What a code is larger than the weight.</summary>", true)]
    [InlineData("/// <summary>The same for two tokens.</summary>", true)]
    [InlineData("/// <summary>Offset of the stored codes.</summary>", false)]
    [InlineData("/// <summary>The samples of a recording.</summary>", false)]
    public void The_rule_of_beginnings_knows_good_from_bad(string line, bool isBad) => Assert.Equal(isBad, BadBeginning().IsMatch(line));

    [Theory]
    [InlineData("where the tensor lies", true)]
    [InlineData("one position behind the other", true)]
    [InlineData("it is no file", true)]
    [InlineData("the answer goes on", true)]
    [InlineData("look-behind, as expressions have it", false)]
    [InlineData("there is no file", false)]
    [InlineData("it is no longer open", false)]
    [InlineData("codes stand for weights", false)]
    public void The_glossary_knows_good_from_bad(string line, bool isBad) => Assert.Equal(isBad, Glossary().IsMatch(line));

    private sealed record Line(string File, int Number, string Text)
    {
        public override string ToString() => $"{File}:{Number}: {Text}";
    }

    /// <summary>
    /// Lines of docstrings; the first line of a summary that has lines of its own begins with the tag, as if it were one.
    /// </summary>
    private static IEnumerable<Line> Docstrings()
    {
        string root = SharedFolder.RepositoryRoot;
        foreach (string file in Directory.EnumerateFiles(Path.Combine(root, "src"), "*.cs", SearchOption.AllDirectories))
        {
            if (file.Split(Path.DirectorySeparatorChar).Any(folder => folder is "obj" or "bin")) continue;
            bool begins = false;
            int number = 0;
            foreach (string line in File.ReadLines(file))
            {
                number++;
                string text = line.Trim();
                if (!text.StartsWith("///", StringComparison.Ordinal)) continue;
                if (begins) text = $"/// <summary>{text[3..].TrimStart()}";
                begins = text == "/// <summary>";
                yield return new Line(Path.GetRelativePath(root, file), number, text);
            }
        }
    }

    [GeneratedRegex(@"<summary>\s*(What|The same)\b")]
    private static partial Regex BadBeginning();

    [GeneratedRegex(
        @"(?<!look-)\bbehind\b|\blies?\b|\bstands?\b(?! for\b)|\bgo(es)? on\b|\bgets\b|\bso many\b|\bmakes of\b|(?<!\b[Tt]here )\b(is|are) no (?!longer\b|more\b|other\b|larger\b|smaller\b|less\b|better\b|limit\b)\w",
        RegexOptions.IgnoreCase)]
    private static partial Regex Glossary();
}
