using System.Runtime.InteropServices;
using EdgeLlm.Gguf;
using EdgeLlm.Kernels.Formats;
using EdgeLlm.Quantization;

namespace EdgeLlm.Tests.Models;

/// <summary>
/// Small models for tests whose outcome does not depend on what a model learned: the one of the shared folder, or, in a clone without it,
/// one of its shape with random weights that is made once a process.
/// </summary>
internal static class TestModels
{
    private const int Width = 64, Layers = 5, Heads = 8, KeyValueHeads = 4, FeedForward = 172, Vocabulary = 512;

    private static readonly Lazy<string> MadeStories = new(() => Make("stories.gguf", WriteStories));
    private static readonly Lazy<string> MadePacked = new(() => Make("packed.gguf", WritePacked));

    /// <summary>Llama with 5 layers of width 64, in F32, with a vocabulary of 512 tokens: stories260K, or a model of its shape.</summary>
    public static string Stories
    {
        get
        {
            string shared = Path.Combine(SharedFolder.RepositoryRoot, "..", "shared", "models", "stories260K.f32.gguf");
            return File.Exists(shared) ? Path.GetFullPath(shared) : MadeStories.Value;
        }
    }

    /// <summary>The default model, which every clone has.</summary>
    public static string Default =>
        Path.Combine(SharedFolder.RepositoryRoot, "src", "EdgeLlm.DefaultModel", "SmolLM2-135M-Instruct.E4.gguf");

    /// <summary>The made model itself, also where the shared folder is there.</summary>
    public static string Made => MadeStories.Value;

    /// <summary>The made model, packed as E4 and E8.</summary>
    public static string Packed => MadePacked.Value;

    /// <summary>A model by the name of its file in the shared folder, or `made`, `packed`.</summary>
    public static string PathOf(string name) => name switch
    {
        "made" => Made,
        "packed" => Packed,
        _ => SharedFolder.Require("models", name),
    };

    private static string Make(string name, Action<string> write)
    {
        string folder = Directory.CreateTempSubdirectory("edgellm-models").FullName;
        AppDomain.CurrentDomain.ProcessExit += (_, _) =>
        {
            if (Directory.Exists(folder)) Directory.Delete(folder, recursive: true);
        };
        string path = Path.Combine(folder, name);
        write(path);
        return path;
    }

    private static void WritePacked(string path)
    {
        using GgufFile file = GgufFile.Open(Made);
        new FastQuantizer(new QuantizationPlan(file, Packing.E4Group32, Packing.E8Group32))
            .Save(path, (_, _) => { }, CancellationToken.None);
    }

    private static void WriteStories(string path)
    {
        var random = new Random(260);
        var writer = new GgufWriter();
        writer.Set("general.architecture", GgufValue.Of("llama"));
        writer.Set("general.name", GgufValue.Of("stories of nobody"));
        writer.Set("llama.block_count", GgufValue.Of((uint)Layers));
        writer.Set("llama.context_length", GgufValue.Of(512u));
        writer.Set("llama.embedding_length", GgufValue.Of((uint)Width));
        writer.Set("llama.feed_forward_length", GgufValue.Of((uint)FeedForward));
        writer.Set("llama.attention.head_count", GgufValue.Of((uint)Heads));
        writer.Set("llama.attention.head_count_kv", GgufValue.Of((uint)KeyValueHeads));
        writer.Set("llama.attention.layer_norm_rms_epsilon", GgufValue.Of(1e-5f));
        writer.Set("llama.rope.dimension_count", GgufValue.Of((uint)(Width / Heads)));
        writer.Set("tokenizer.ggml.model", GgufValue.Of("llama"));
        writer.Set("tokenizer.ggml.bos_token_id", GgufValue.Of(1u));
        writer.Set("tokenizer.ggml.eos_token_id", GgufValue.Of(2u));
        writer.Set("tokenizer.ggml.unknown_token_id", GgufValue.Of(0u));
        writer.Set("tokenizer.ggml.tokens", GgufValue.OfArray(Enumerable.Range(0, Vocabulary).Select(TokenText).ToArray()));
        writer.Set("tokenizer.ggml.scores", GgufValue.OfArray<float>(Enumerable.Range(0, Vocabulary).Select(i => -(float)i).ToArray()));
        writer.Set("tokenizer.ggml.token_type",
            GgufValue.OfArray<int>(Enumerable.Range(0, Vocabulary).Select(i => i == 0 ? 2 : i < 3 ? 3 : i < 259 ? 6 : 1).ToArray()));

        Matrix("token_embd.weight", Width, Vocabulary);
        for (int l = 0; l < Layers; l++)
        {
            Norm($"blk.{l}.attn_norm.weight");
            Matrix($"blk.{l}.attn_q.weight", Width, Width);
            Matrix($"blk.{l}.attn_k.weight", Width, KeyValueHeads * (Width / Heads));
            Matrix($"blk.{l}.attn_v.weight", Width, KeyValueHeads * (Width / Heads));
            Matrix($"blk.{l}.attn_output.weight", Width, Width);
            Norm($"blk.{l}.ffn_norm.weight");
            Matrix($"blk.{l}.ffn_gate.weight", Width, FeedForward);
            Matrix($"blk.{l}.ffn_up.weight", Width, FeedForward);
            Matrix($"blk.{l}.ffn_down.weight", FeedForward, Width);
        }
        Norm("output_norm.weight");
        writer.Save(path);

        void Matrix(string name, int columns, int rows)
        {
            float scale = 1.7f / MathF.Sqrt(columns); // results as large as inputs
            Tensor(name, [columns, rows], [.. Enumerable.Range(0, columns * rows).Select(_ => (random.NextSingle() * 2 - 1) * scale)]);
        }

        void Norm(string name) => Tensor(name, [Width], [.. Enumerable.Range(0, Width).Select(_ => 0.5f + random.NextSingle())]);

        void Tensor(string name, long[] shape, float[] numbers) =>
            writer.SetTensor(name, shape, ElementType.F32, stream => stream.Write(MemoryMarshal.AsBytes<float>(numbers)));
    }

    /// <summary>The unknown token, BOS, EOS, 256 bytes, then letters and pairs of letters.</summary>
    private static string TokenText(int id) => id switch
    {
        0 => "<unk>",
        1 => "<s>",
        2 => "</s>",
        < 259 => $"<0x{id - 3:X2}>",
        259 => "\u2581",
        < 286 => $"{(char)('a' + id - 260)}",
        _ => $"{(char)('a' + (id - 286) / 26)}{(char)('a' + (id - 286) % 26)}",
    };
}
