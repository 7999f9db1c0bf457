using EdgeLlm.Fuzz.Inputs;
using EdgeLlm.Gguf;
using EdgeLlm.Kernels.Formats;
using EdgeLlm.Quantization;

namespace EdgeLlm.Fuzz;

/// <summary>Good files that mutants are made from. The parent writes them once, its children read them.</summary>
internal static class Samples
{
    private static readonly TinyModel[] Models =
    [
        new(ElementType.F32, "llama"), new(ElementType.F16, "gpt2") { IsTied = true }, new(ElementType.BF16, "llama"),
        new(ElementType.Q8_0, "gpt2"), new(ElementType.Q4_0, "llama") { IsTied = true },
        new(ElementType.Q4_K, "gpt2", Width: 256), new(ElementType.Q6_K, "llama", Width: 256), new(ElementType.IQ4_NL, "gpt2"),
        new(ElementType.IQ2_XS, "llama", Width: 256) { IsTied = true },
    ];

    private static readonly (int Model, Packing Body, Packing Embedding)[] Packings =
    [
        (0, Packing.E4Group32, Packing.E8Group32), (1, Packing.E4Group16, Packing.E8Group32), (2, Packing.E4Group32, Packing.E4Group32),
        (3, Packing.E8Group32, Packing.E4Group16), (2, Packing.E5Group32, Packing.E5Group32), (0, Packing.E5Group32, Packing.E8Group32),
        (2, Packing.E3Group32, Packing.E5Group32), (0, Packing.E3Group32, Packing.E3Group32),
    ];

    private static readonly Lazy<GgufDocument[]> ParsedModels = new(() => Parse("model", Models.Length)),
        ParsedPacked = new(() => Parse("packed", Packings.Length));

    /// <summary>Where they are; set at the start of a child.</summary>
    public static string Folder { get; set; } = "";

    /// <summary>A good model for what is not about models: F32, and with the vocabulary of byte-level BPE.</summary>
    public static string ModelPath => Path.Combine(Folder, "model-1.gguf");

    public static IReadOnlyList<GgufDocument> Ggufs => ParsedModels.Value;

    public static IReadOnlyList<GgufDocument> PackedGgufs => ParsedPacked.Value;

    /// <summary>Files with the keys of a tokenizer and nothing else, one of each kind.</summary>
    public static Lazy<GgufDocument[]> Tokenizers { get; } = new(() => [.. TinyVocabulary.Kinds.Select(kind =>
    {
        var writer = new GgufWriter();
        TinyVocabulary.Write(writer, kind);
        using var bytes = new MemoryStream();
        writer.Write(bytes);
        return GgufDocument.Parse(bytes.ToArray());
    })]);

    /// <summary>Folders of Hugging Face's form: file name -> bytes.</summary>
    public static Lazy<Dictionary<string, byte[]>[]> Folders { get; } =
        new(() => [TinyFolder.Files(sharded: false), TinyFolder.Files(sharded: true), TinyFolder.Files(sharded: false, isTorch: true)]);

    public static void Write(string folder)
    {
        Folder = folder;
        for (int i = 0; i < Models.Length; i++) File.WriteAllBytes(PathOf("model", i), Models[i].ToArray());
        for (int i = 0; i < Packings.Length; i++)
        {
            (int model, Packing body, Packing embedding) = Packings[i];
            using GgufFile source = GgufFile.Open(PathOf("model", model));
            new FastQuantizer(new QuantizationPlan(source, body, embedding) { Rotates = i % 2 == 1 })
                .Save(PathOf("packed", i), (_, _) => { }, CancellationToken.None);
        }
    }

    private static GgufDocument[] Parse(string name, int count) =>
        [.. Enumerable.Range(0, count).Select(i => GgufDocument.Parse(File.ReadAllBytes(PathOf(name, i))))];

    private static string PathOf(string name, int number) => Path.Combine(Folder, $"{name}-{number}.gguf");
}
