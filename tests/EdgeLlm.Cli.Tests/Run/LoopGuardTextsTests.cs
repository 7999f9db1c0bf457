using EdgeLlm.Generation;
using EdgeLlm.Models;

namespace EdgeLlm.Cli.Tests.Run;

/// <summary>Texts that repeat themselves for a reason, as the default model's tokens: none of them is a loop. And some that are.</summary>
public sealed class LoopGuardTextsTests
{
    public static TheoryData<string, string> Texts => new()
    {
        { "counting", string.Join(", ", Enumerable.Range(1, 300)) },
        { "a list of equal items with numbers",
            string.Concat(Enumerable.Range(1, 60).Select(i => $"{i}. Take a deep breath and relax your shoulders.\n")) },
        { "a Markdown table",
            "| Day | Open | Close |\n|---|---|---|\n" + string.Concat(Enumerable.Range(1, 40).Select(i => $"| {i} | 9:00 | 17:00 |\n")) },
        { "a multiplication table",
            string.Concat(Enumerable.Range(1, 12).SelectMany(i => Enumerable.Range(1, 12).Select(j => $"{i} x {j} = {i * j}\n"))) },
        { "JSON", "[\n" + string.Join(",\n",
            Enumerable.Range(0, 50).Select(i => $"  {{\"id\": {i}, \"enabled\": true, \"tags\": [], \"parent\": null}}")) + "\n]" },
        { "an array of zeros", "int[] counts = {" + string.Join(", ", Enumerable.Repeat("0", 16)) + "};" },
        { "CSV",
            "time,value,unit\n" + string.Concat(Enumerable.Range(0, 60)
                .Select(i => $"2026-11-29T{i / 4:00}:{i % 4 * 15:00}:00,21.5,C\n")) },
        { "seven equal lines",
            string.Concat(Enumerable.Repeat("All work and no play makes Jack a dull boy.\n", 7)) + "That is all that he wrote." },
        { "laughter", "She laughed: " + string.Concat(Enumerable.Repeat("ha", 40)) + "!" },
        { "rules", new string('-', 78) + "\n" + new string('=', 78) + "\n" + new string('*', 78) + "\n" + new string('-', 78) },
        { "a refrain",
            string.Concat(Enumerable.Range(1, 9)
                .Select(
                    i =>
                        $"{100 - i} bottles of beer on the wall, {100 - i} bottles of beer.\nTake one down and pass it around, {99 - i} bottles of beer on the wall.\n\n")) },
        { "a chorus",
            string.Concat(
                Enumerable.Repeat(
                    "Row, row, row your boat, gently down the stream. Merrily, merrily, merrily, merrily, life is but a dream.\n", 5)) },
        { "assembly", string.Concat(Enumerable.Range(0, 40).Select(i => $"    add     x{i % 30}, x{i % 30}, #1\n")) },
        { "switch",
            "switch (day)\n{\n" + string.Concat(Enumerable.Range(0, 31)
                .Select(i => $"    case {i}:\n        return \"day {i}\";\n")) + "}\n" },
        { "a chessboard", string.Concat(Enumerable.Repeat("# . # . # . # .\n. # . # . # . #\n", 4)) },
        { "binary", string.Concat(Enumerable.Range(0, 64).Select(i => Convert.ToString(i, 2).PadLeft(6, '0') + " ")) },
        { "a poem with one beginning",
            string.Concat(
                ((string[])["hope", "light", "fear", "rain", "bread", "song", "sleep", "sand", "fire", "home", "dust", "snow"]).Select(
                    word => $"I have a dream of {word}.\n")) },
        { "blank lines and braces", string.Concat(Enumerable.Repeat("}\n", 30)) + new string('\n', 30) },
        { "a third to sixty digits", "0." + new string('3', 60) + "..." },
        { "a dialogue",
            string.Concat(Enumerable.Range(0, 20)
                .Select(i => i % 2 == 0 ? $"\"No,\" said Tom for the {i}th time.\n" : "\"Yes,\" said Anna.\n")) },
        { "a calendar",
            string.Concat(Enumerable.Range(1, 12)
                .Select(month => $"Month {month}\nMo Tu We Th Fr Sa Su\n"
                    + string.Concat(Enumerable.Range(1, 28).Select(day => $"{day,2} ")) + "\n")) },
    };

    public static TheoryData<string> Loops =>
    [
        string.Concat(Enumerable.Repeat("I'm here to help. ", 40)),
        string.Concat(Enumerable.Repeat("the ", 100)),
        "Well. " + string.Concat(Enumerable.Repeat("The sky is blue because the sky is blue, and that is why the sky is blue.\n", 12)),
        string.Concat(Enumerable.Repeat("| a | b |\n", 40)),
    ];

    [Theory]
    [MemberData(nameof(Texts))]
    public void A_text_that_has_something_new_in_it_is_no_loop(string name, string text) => Assert.False(IsLoop(text), name);

    [Theory]
    [MemberData(nameof(Loops))]
    public void The_same_words_without_end_are_one(string text) => Assert.True(IsLoop(text), text);

    private static bool IsLoop(string text)
    {
        using var model = LanguageModel.Load(DefaultModelFile.Path!, new ModelOptions { ContextLength = 16, Threads = 1 });
        var guard = new LoopGuard();
        int[] tokens = model.Tokenizer.Encode(text);
        Assert.NotEmpty(tokens);
        return tokens.Any(guard.Add);
    }
}
