using EdgeLlm.Gguf;
using EdgeLlm.Kernels.Formats;
using EdgeLlm.Models.Spec;

namespace EdgeLlm.Quantization.Standard;

/// <summary>
/// Type of each tensor of a standard file, as llama-quantize chooses it for the file types Q4_0, Q8_0, IQ4_NL, Q4_K_M, F16, BF16 and F32
/// (llama.cpp, src/llama-quant.cpp): the head and a tied embedding finer than the rest, some layers' ffn_down and attn_v too, rows that a
/// type can't hold in another one.
/// </summary>
/// <param name="type">The type that most matrices get.</param>
/// <param name="hasImportance">Whether scales are searched with importance: some tensors then do with less.</param>
internal sealed class StandardMix(GgufFile file, ModelSpec model, ElementType type, bool hasImportance)
{
    private readonly int _valueMatrices = file.Tensors.Count(tensor => RoleOf(tensor.Name) == TensorRole.Value);

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

    /// <summary>Type of a tensor in the output; its own, where it stays as it is.</summary>
    public ElementType TypeOf(GgufTensor tensor)
    {
        if (!IsMatrix(tensor)) return tensor.Type;
        ElementFormat format = ElementFormat.Get(type);
        return format.ValuesPerBlock == 1 ? type : Fitting(tensor, Preferred(tensor));
    }

    /// <summary>Matrices of weights. Vectors, norms and whatever ends otherwise stay as they are; what is packed can't.</summary>
    private static bool IsMatrix(GgufTensor tensor) => tensor.Packed is not null || tensor.Rows > 1 && WeightRows.CanRead(tensor)
        && tensor.Name.EndsWith("weight", StringComparison.Ordinal) && !tensor.Name.Contains("_norm.weight", StringComparison.Ordinal)
        && !tensor.Name.Contains("ffn_gate_inp.weight", StringComparison.Ordinal)
        && tensor.Name != TensorTable.Name(TensorRole.PositionEmbedding);

    private static TensorRole? RoleOf(string name) => TensorTable.Find(name)?.Entry.Role;

    private ElementType Preferred(GgufTensor tensor)
    {
        TensorRole? role = RoleOf(tensor.Name);
        if (role == TensorRole.Output || model.IsTied && role == TensorRole.TokenEmbedding)
            return type == ElementType.Q8_0 || tensor.Columns % ElementFormat.Get(ElementType.Q6_K).ValuesPerBlock != 0
                ? ElementType.Q8_0 : ElementType.Q6_K;
        int layer = TensorTable.LayerOf(tensor.Name) ?? 0, layers = model.Layers.Count;
        if (role == TensorRole.Value)
        {
            AttentionSpec attention = model.Layers[layer].Attention;
            if (type == ElementType.IQ4_NL && attention.Heads >= 4 * attention.KeyValueHeads) return ElementType.Q5_K;
            if (type == ElementType.Q4_K && GetsMoreBits(layer, _valueMatrices)) return ElementType.Q6_K;
            // The shape of Llama 2 and 3 with 70 billion weights.
            if (type == ElementType.Q4_K && layers == 80 && attention.Heads != attention.KeyValueHeads) return ElementType.Q5_K;
        }
        else if (role == TensorRole.QueryKeyValue)
        {
            if (type == ElementType.Q4_K) return ElementType.Q5_K;
        }
        else if (role == TensorRole.Down)
        {
            bool early = layer < layers / 8;
            if (type == ElementType.Q4_K && GetsMoreBits(layer, layers)) return ElementType.Q6_K;
            if (type == ElementType.IQ4_NL && early && !hasImportance) return ElementType.Q5_K;
            if (type == ElementType.Q4_0 && early && hasImportance) return ElementType.Q4_1;
        }
        return type;
    }

    private static bool GetsMoreBits(int layer, int layers) =>
        layer < layers / 8 || layer >= 7 * layers / 8 || (layer - layers / 8) % 3 == 2;

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
