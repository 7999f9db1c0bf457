using EdgeLlm.Gguf;
using EdgeLlm.Kernels.Formats;
using EdgeLlm.Quantization.Calibration;

namespace EdgeLlm.Quantization.Standard;

/// <summary>
/// Which type each tensor of a standard file gets: what llama-quantize takes for the file types Q4_0, Q8_0, IQ4_NL, Q4_K_M, F16, BF16 and F32
/// (llama.cpp, src/llama-quant.cpp): the head and a tied embedding finer than the rest, some layers' ffn_down and attn_v too, rows that a type
/// can't hold in another one.
/// </summary>
/// <param name="type">The type that most matrices get.</param>
/// <param name="hasImportance">Whether scales are searched with importance: some tensors then do with less.</param>
internal sealed class StandardMix(GgufFile file, ModelConfig config, ElementType type, bool hasImportance)
{
    private readonly bool _tied = file.FindTensor(TensorOrder.Head) is null;
    private readonly int _valueMatrices = file.Tensors.Count(tensor => tensor.Name.EndsWith("attn_v.weight", StringComparison.Ordinal));

    /// <summary>The number that a file of the type has under `general.file_type` (llama.h's llama_ftype).</summary>
    public static uint FileTypeOf(ElementType type) => type switch
    {
        ElementType.F32 => 0,
        ElementType.F16 => 1,
        ElementType.Q4_0 => 2,
        ElementType.Q8_0 => 7,
        ElementType.Q4_K => 15,
        ElementType.IQ4_NL => 25,
        ElementType.BF16 => 32,
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, "not a type of a whole file"),
    };

    /// <summary>The type that a tensor gets; that which it has, where it stays as it is.</summary>
    public ElementType TypeOf(GgufTensor tensor)
    {
        if (!IsMatrix(tensor)) return tensor.Type;
        ElementFormat format = ElementFormat.Get(type);
        return format.ValuesPerBlock == 1 ? type : Fitting(tensor, Preferred(tensor));
    }

    /// <summary>Matrices of weights. Vectors, norms and whatever ends otherwise stay as they are; what is packed can't.</summary>
    private static bool IsMatrix(GgufTensor tensor) => tensor.Packed is not null || tensor.Rows > 1 && WeightRows.CanRead(tensor)
        && tensor.Name.EndsWith("weight", StringComparison.Ordinal) && !tensor.Name.Contains("_norm.weight", StringComparison.Ordinal)
        && !tensor.Name.Contains("ffn_gate_inp.weight", StringComparison.Ordinal);

    private ElementType Preferred(GgufTensor tensor)
    {
        string name = tensor.Name;
        if (name == TensorOrder.Head || _tied && name == TensorOrder.Embedding)
            return type == ElementType.Q8_0 || tensor.Columns % ElementFormat.Get(ElementType.Q6_K).ValuesPerBlock != 0 ? ElementType.Q8_0 : ElementType.Q6_K;
        int layer = TensorOrder.LayerOf(name) ?? 0, layers = config.BlockCount;
        if (name.Contains("attn_v.weight", StringComparison.Ordinal))
        {
            if (type == ElementType.IQ4_NL && config.HeadCount >= 4 * config.KeyValueHeadCount) return ElementType.Q5_K;
            if (type == ElementType.Q4_K && GetsMoreBits(layer, _valueMatrices)) return ElementType.Q6_K;
            // The shape of Llama 2 and 3 with 70 billion weights.
            if (type == ElementType.Q4_K && layers == 80 && config.HeadCount != config.KeyValueHeadCount) return ElementType.Q5_K;
        }
        else if (name.Contains("ffn_down", StringComparison.Ordinal))
        {
            bool early = layer < layers / 8;
            if (type == ElementType.Q4_K && GetsMoreBits(layer, layers)) return ElementType.Q6_K;
            if (type == ElementType.IQ4_NL && early && !hasImportance) return ElementType.Q5_K;
            if (type == ElementType.Q4_0 && early && hasImportance) return ElementType.Q4_1;
        }
        return type;
    }

    private static bool GetsMoreBits(int layer, int layers) => layer < layers / 8 || layer >= 7 * layers / 8 || (layer - layers / 8) % 3 == 2;

    /// <summary>The type itself where the rows are whole blocks of it, else one that holds them.</summary>
    private static ElementType Fitting(GgufTensor tensor, ElementType type)
    {
        if (Holds(type)) return type;
        ElementType other = type switch
        {
            ElementType.Q4_K => ElementType.Q5_0,
            ElementType.Q5_K => ElementType.Q5_1,
            ElementType.Q6_K => ElementType.Q8_0,
            _ => ElementType.F16,
        };
        return Holds(other) ? other : ElementType.F16;

        bool Holds(ElementType candidate) => tensor.Columns % ElementFormat.Get(candidate).ValuesPerBlock == 0;
    }
}
