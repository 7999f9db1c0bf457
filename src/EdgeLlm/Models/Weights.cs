using EdgeLlm.Kernels;

namespace EdgeLlm.Models;

/// <summary>A model's tensors, as they lie in the map. Immutable; shared by every cache and thread.</summary>
internal sealed unsafe class Weights
{
    /// <summary>[vocabulary, embedding]</summary>
    public required WeightMatrix TokenEmbedding { get; init; }

    /// <summary>[embedding]</summary>
    public required float* OutputNorm { get; init; }

    /// <summary>[vocabulary, embedding]; the embedding again where the file has no head of its own.</summary>
    public required WeightMatrix Output { get; init; }

    /// <summary>One per layer.</summary>
    public required LayerWeights[] Layers { get; init; }

    /// <summary>[pairs], or empty.</summary>
    public required float[] RopeDivisors { get; init; }

    /// <summary>Bytes of weights that an operation reads for one token, and multiply-adds it makes with them.</summary>
    public (long Bytes, long MultiplyAdds) Cost(Operation operation)
    {
        (long Bytes, long MultiplyAdds) sum = default;
        void Add(in WeightMatrix matrix)
        {
            long bytes = matrix.IsPacked ? matrix.Layout.ByteCount(matrix.Rows) : matrix.Rows * (long)matrix.RowBytes;
            sum = (sum.Bytes + bytes, sum.MultiplyAdds + (long)matrix.Rows * matrix.Columns);
        }
        if (operation == Operation.Head) Add(Output);
        foreach (LayerWeights layer in Layers)
        {
            switch (operation)
            {
                case Operation.QueryKeyValue:
                    Add(layer.Query.Weight);
                    Add(layer.Key.Weight);
                    Add(layer.Value.Weight);
                    break;
                case Operation.AttentionOutput:
                    Add(layer.AttentionOutput.Weight);
                    break;
                case Operation.GateUp:
                    Add(layer.Gate.Weight);
                    Add(layer.Up.Weight);
                    break;
                case Operation.Down:
                    Add(layer.Down.Weight);
                    break;
                default:
                    break;
            }
        }
        return sum;
    }
}
