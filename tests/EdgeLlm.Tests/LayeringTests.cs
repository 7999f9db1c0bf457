using System.Text.RegularExpressions;

namespace EdgeLlm.Tests;

/// <summary>The layer table of the design, in code: who may name whom. Also where `unsafe` may stand, and how long a file may be.</summary>
public sealed partial class LayeringTests
{
    private const int MostLines = 500;

    /// <summary>Files of src/EdgeLlm itself: the exception that every part may throw.</summary>
    private const string Root = "the root";

    /// <summary>Part (a folder of src, or of src/EdgeLlm) -> the parts that it may use beside itself.</summary>
    private static readonly Dictionary<string, string[]> Allowed = new()
    {
        ["Kernels"] = [],
        [Root] = [],
        ["Files"] = [],
        ["Gguf"] = ["Kernels.Formats", "Files"],
        ["Tokenization"] = [],
        ["Chat"] = ["Files"], // a template may be named as a file
        // of Tokenization the plain data that tokenizer files become
        ["HuggingFace"] = ["Files", "Gguf", "Kernels.Formats", "Tokenization"],
        ["Models"] = ["Files", "Gguf", "HuggingFace", "Tokenization", "Kernels"],
        ["Sampling"] = ["Kernels"],
        ["Generation"] = ["Files", "Models", "Sampling", "Tokenization", "Chat"],
        ["DefaultModel"] = [], // a file without code: its name may stand in messages
        ["Speech"] = ["Files", "Gguf", "HuggingFace", "Tokenization", "Models", "Sampling", "Generation", "Kernels"],
        ["Extensions.AI"] = ["Speech", "Models", "Sampling", "Generation", "Chat", "Tokenization", "Kernels"],
        ["Training"] = ["Models", "Kernels"],
        ["Quantization"] = ["Files", "Kernels", "Gguf", "HuggingFace", "Models", "Tokenization", "Chat", "Speech", "Training"],
        ["Server"] = ["Files", "Models", "Sampling", "Generation", "Chat", "Tokenization", "Kernels", "Speech"],
        ["Devices"] = [],
        ["Assistant"] = ["Files", "Gguf", "Models", "Sampling", "Generation", "Chat", "Tokenization", "Speech", "Devices"],
        ["Cli"] = ["Files", "Server", "Assistant", "Devices", "Speech", "Kernels", "Gguf", "HuggingFace", "Tokenization", "Chat", "Models",
            "Sampling", "Generation", "Quantization", "Extensions.AI"],
    };

    /// <summary>Inside Kernels: a processor's own code may use the portable one, never the other way round.</summary>
    private static readonly Dictionary<string, string[]> AllowedInKernels = new()
    {
        ["Formats"] = [],
        ["Threading"] = [],
        ["Scalar"] = ["Formats"],
        ["Vectors"] = ["Scalar", "Formats"],
        ["X86"] = ["Vectors", "Scalar", "Formats"],
        ["Arm"] = ["Vectors", "Scalar", "Formats"],
    };

    private static string Source => Path.Combine(SharedFolder.RepositoryRoot, "src");

    [Fact]
    public void Every_part_uses_only_what_the_table_allows()
    {
        var wrong = new List<string>();
        foreach (string file in SourceFiles())
        {
            string part = PartOf(file);
            Assert.True(Allowed.TryGetValue(part, out string[]? allowed), $"{file}: the part '{part}' is not in the table");
            foreach (string used in NamesUsedIn(file))
            {
                bool own = used == part || used.StartsWith(part + ".", StringComparison.Ordinal);
                if (!own && !allowed.Any(name => used == name || used.StartsWith(name + ".", StringComparison.Ordinal)))
                    wrong.Add($"{part} -> {used} in {Relative(file)}");
            }
        }
        Assert.Empty(wrong);
    }

    [Fact]
    public void Inside_the_kernels_arrows_point_from_processors_to_formats()
    {
        var wrong = new List<string>();
        string kernels = Path.Combine(Source, "EdgeLlm.Kernels");
        foreach (string file in SourceFiles().Where(file => file.StartsWith(kernels, StringComparison.Ordinal)))
        {
            string folder = Path.GetDirectoryName(Path.GetRelativePath(kernels, file))!;
            if (!AllowedInKernels.TryGetValue(folder, out string[]? allowed)) continue; // files at the top know all of them
            foreach (string used in NamesUsedIn(file).Where(name => name.StartsWith("Kernels.", StringComparison.Ordinal))
                .Select(name => name["Kernels.".Length..]))
            {
                if (used != folder && !allowed.Contains(used)) wrong.Add($"{folder} -> {used} in {Relative(file)}");
            }
        }
        Assert.Empty(wrong);
    }

    [Fact]
    public void Every_namespace_is_of_a_part_that_the_table_knows()
    {
        var unknown = new List<string>();
        foreach (string file in SourceFiles())
        {
            string text = WithoutComments(File.ReadAllText(file)), part = PartOf(file);
            foreach (string name in AnyName().Matches(text).Select(match => match.Groups[1].Value).Distinct())
            {
                if (!Allowed.Keys.Any(known => name == known || name.StartsWith(known + ".", StringComparison.Ordinal)))
                    unknown.Add($"EdgeLlm.{name} in {Relative(file)}");
            }
            // A file that calls itself another part's would use that part's names without a using.
            if (Declaration().Match(text) is { Success: true } declaration)
            {
                string declared = declaration.Groups[1].Value;
                bool fits = part == Root ? declared.Length == 0 : declared == part
                    || declared.StartsWith(part + ".", StringComparison.Ordinal);
                if (!fits)
                    unknown.Add(
                        $"namespace EdgeLlm{(declared.Length == 0 ? "" : ".")}{declared} in {Relative(file)}, which is of the part "
                            + $"'{part}'");
            }
        }
        Assert.Empty(unknown);
    }

    [Fact]
    public void Pointers_stay_in_the_kernels_the_map_and_what_runs_models()
    {
        foreach (string file in SourceFiles())
        {
            string relative = Relative(file);
            if (PartOf(file) is "Kernels" or "Models" or "Speech" || relative == Path.Combine("src", "EdgeLlm", "Gguf", "MappedFile.cs"))
                continue;
            Assert.False(UnsafeWord().IsMatch(WithoutComments(File.ReadAllText(file))), $"{relative} is unsafe");
        }
    }

    [Fact]
    public void No_file_is_longer_than_500_lines()
    {
        foreach (string file in SourceFiles())
            Assert.True(File.ReadLines(file).Count() <= MostLines, $"{Relative(file)} is longer than {MostLines} lines");
    }

    private static IEnumerable<string> SourceFiles() => Directory.EnumerateFiles(Source, "*.cs", SearchOption.AllDirectories)
        .Where(file => !file.Split(Path.DirectorySeparatorChar).Any(folder => folder is "obj" or "bin"));

    private static string Relative(string file) => Path.GetRelativePath(SharedFolder.RepositoryRoot, file);

    /// <summary>src/EdgeLlm/Models/X.cs -> Models; src/EdgeLlm.Cli/Commands/Y.cs -> Cli.</summary>
    private static string PartOf(string file)
    {
        string[] parts = Path.GetRelativePath(Source, file).Split(Path.DirectorySeparatorChar);
        return parts[0] == "EdgeLlm" ? parts.Length == 2 ? Root : parts[1] : parts[0]["EdgeLlm.".Length..];
    }

    /// <summary>The namespaces of ours that a file names, without the leading `EdgeLlm.`.</summary>
    private static IEnumerable<string> NamesUsedIn(string file) =>
        OurName().Matches(WithoutComments(File.ReadAllText(file))).Select(match => match.Groups[1].Value).Distinct();

    private static string WithoutComments(string text) => Comment().Replace(text, "");

    [GeneratedRegex(
        @"\bEdgeLlm\.((?:Kernels|Files|Gguf|HuggingFace|Tokenization|Chat|Models|Sampling|Generation|Quantization|Speech|Extensions\.AI|Devices|Server|Assistant|Cli)(?:\.(?:Formats|Threading|Scalar|Vectors|X86|Arm))?)\b")]
    private static partial Regex OurName();

    [GeneratedRegex(@"(?<![\w.])EdgeLlm\.([A-Z]\w*(?:\.[A-Z]\w*)?)\b")]
    private static partial Regex AnyName();

    [GeneratedRegex(@"^namespace EdgeLlm(?:\.([\w.]+))?;", RegexOptions.Multiline)]
    private static partial Regex Declaration();

    [GeneratedRegex(@"\bunsafe\s+[\w{]")]
    private static partial Regex UnsafeWord();

    [GeneratedRegex(@"//.*$", RegexOptions.Multiline)]
    private static partial Regex Comment();
}
