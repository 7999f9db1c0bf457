using EdgeLlm.Gguf;
using EdgeLlm.Kernels.Formats;

namespace EdgeLlm.Fuzz.Inputs;

/// <summary>A llama of two layers with random weights: small enough to be written and run a thousand times a second.</summary>
/// <param name="Type">How its matrices are stored.</param>
/// <param name="Tokenizer">One of <see cref="TinyVocabulary.Kinds"/>.</param>
/// <param name="Width">Width of the residual stream.</param>
internal sealed record TinyModel(ElementType Type, string Tokenizer, int Width = 64)
{
    public const int ContextLength = 128;

    private const int Layers = 2, Heads = 4, KeyValueHeads = 2;

    public const string ChatTemplate =
        "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] | trim + '<|im_end|>' + '\\n' "
            + "}}{% endfor %}"
        + "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

    /// <summary>Whether the head is the embedding and the attention has biases: both ways are to be fuzzed.</summary>
    public bool IsTied { get; init; }

    public int FeedForward => Width == 64 ? 96 : Width;

    private int HeadDimension => Width / Heads;

    /// <summary>The GGUF file.</summary>
    public byte[] ToArray()
    {
        var writer = new GgufWriter();
        writer.Set("general.architecture", GgufValue.Of("llama"));
        writer.Set("general.name", GgufValue.Of("Tiny"));
        foreach ((string key, int size) in new[]
        {
            ("context_length", ContextLength), ("embedding_length", Width), ("block_count", Layers), ("feed_forward_length", FeedForward),
            ("attention.head_count", Heads),
            ("attention.head_count_kv", KeyValueHeads), ("attention.key_length", HeadDimension), ("attention.value_length", HeadDimension),
            ("rope.dimension_count", HeadDimension),
        }) writer.Set("llama." + key, GgufValue.Of((uint)size));
        writer.Set("llama.attention.layer_norm_rms_epsilon", GgufValue.Of(1e-5f));
        writer.Set("llama.rope.freq_base", GgufValue.Of(10000f));
        TinyVocabulary.Write(writer, Tokenizer);
        writer.Set("tokenizer.chat_template", GgufValue.Of(ChatTemplate));

        var dice = new Dice((int)Type * 1000 + Width);
        int keys = KeyValueHeads * HeadDimension;
        Matrix("token_embd", TinyVocabulary.Size, Width);
        for (int l = 0; l < Layers; l++)
        {
            Norm($"blk.{l}.attn_norm.weight", Width);
            Matrix($"blk.{l}.attn_q", Width, Width);
            Matrix($"blk.{l}.attn_k", keys, Width);
            Matrix($"blk.{l}.attn_v", keys, Width);
            Matrix($"blk.{l}.attn_output", Width, Width);
            if (IsTied) Norm($"blk.{l}.attn_q.bias", Width);
            Norm($"blk.{l}.ffn_norm.weight", Width);
            Matrix($"blk.{l}.ffn_gate", FeedForward, Width);
            Matrix($"blk.{l}.ffn_up", FeedForward, Width);
            Matrix($"blk.{l}.ffn_down", Width, FeedForward);
        }
        Norm("output_norm.weight", Width);
        if (IsTied) Norm("rope_freqs.weight", HeadDimension / 2);
        else Matrix("output", TinyVocabulary.Size, Width);

        using var output = new MemoryStream();
        writer.Write(output);
        return output.ToArray();

        void Matrix(string name, int rows, int columns)
        {
            byte[] bytes = RandomWeights.Rows(Type, rows, columns, 1 / MathF.Sqrt(columns), dice);
            writer.SetTensor(name + ".weight", [columns, rows], Type, stream => stream.Write(bytes));
        }

        void Norm(string name, int length)
        {
            byte[] ones = [.. Enumerable.Range(0, length).SelectMany(_ => BitConverter.GetBytes(1 + dice.Normal() / 10))];
            writer.SetTensor(name, [length], ElementType.F32, stream => stream.Write(ones));
        }
    }
}
