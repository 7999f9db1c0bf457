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
        ["HuggingFace"] = ["Files", "Gguf", "Kernels.Formats", "Tokenization"], // of Tokenization the plain data that tokenizer files become
        ["Models"] = ["Files", "Gguf", "HuggingFace", "Tokenization", "Kernels"],
        ["Sampling"] = ["Kernels"],
        ["Generation"] = ["Files", "Models", "Sampling", "Tokenization", "Chat"],
        ["DefaultModel"] = [], // a file without code: its name may stand in messages
        ["Speech"] = ["Files", "Gguf", "HuggingFace", "Tokenization", "Models", "Sampling", "Generation", "Kernels"],
        ["Extensions.AI"] = ["Speech", "Models", "Sampling", "Generation", "Chat", "Tokenization", "Kernels"],
        ["Quantization"] = ["Files", "Kernels", "Gguf", "HuggingFace", "Models", "Tokenization", "Chat", "Speech"],
        ["Server"] = ["Files", "Models", "Sampling", "Generation", "Chat", "Tokenization", "Kernels", "Speech"],
        ["Assistant"] = ["Files", "Models", "Sampling", "Generation", "Chat", "Tokenization", "Speech", "Devices"],
        ["Cli"] = ["Files", "Server", "Assistant", "Speech", "Kernels", "Gguf", "HuggingFace", "Tokenization", "Chat", "Models", "Sampling", "Generation", "Quantization", "Extensions.AI"],
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
                if (!own && !allowed.Any(name => used == name || used.StartsWith(name + ".", StringComparison.Ordinal))) wrong.Add($"{part} -> {used} in {Relative(file)}");
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
            foreach (string used in NamesUsedIn(file).Where(name => name.StartsWith("Kernels.", StringComparison.Ordinal)).Select(name => name["Kernels.".Length..]))
            {
                if (used != folder && !allowed.Contains(used)) wrong.Add($"{folder} -> {used} in {Relative(file)}");
            }
        }
        Assert.Empty(wrong);
    }

    [Fact]
    public void Pointers_stay_in_the_kernels_the_map_and_what_runs_models()
    {
        foreach (string file in SourceFiles())
        {
            string relative = Relative(file);
            if (PartOf(file) is "Kernels" or "Models" or "Speech" || relative == Path.Combine("src", "EdgeLlm", "Gguf", "MappedFile.cs")) continue;
            Assert.False(UnsafeWord().IsMatch(WithoutComments(File.ReadAllText(file))), $"{relative} is unsafe");
        }
    }

    [Fact]
    public void No_file_is_longer_than_500_lines()
    {
        foreach (string file in SourceFiles()) Assert.True(File.ReadLines(file).Count() <= MostLines, $"{Relative(file)} is longer than {MostLines} lines");
    }

    private static IEnumerable<string> SourceFiles() => Directory.EnumerateFiles(Source, "*.cs", SearchOption.AllDirectories);

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

    [GeneratedRegex(@"\bEdgeLlm\.((?:Kernels|Files|Gguf|HuggingFace|Tokenization|Chat|Models|Sampling|Generation|Quantization|Speech|Extensions\.AI|Devices|Server|Assistant|Cli)(?:\.(?:Formats|Threading|Scalar|Vectors|X86|Arm))?)\b")]
    private static partial Regex OurName();

    [GeneratedRegex(@"\bunsafe\s+[\w{]")]
    private static partial Regex UnsafeWord();

    [GeneratedRegex(@"//.*$", RegexOptions.Multiline)]
    private static partial Regex Comment();
}
