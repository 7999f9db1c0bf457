using EdgeLlm.Models.Layers;
using EdgeLlm.Models.Spec;

namespace EdgeLlm.Training;

/// <summary>Receives the gradients of a layer's backward pass.</summary>
internal interface ILayerGradient
{
    /// <summary>[width] that the derivatives by a norm's weights are added to; or null.</summary>
    float[]? NormOf(TensorUse weight);

    /// <summary>Receives a matrix's input x, its output y (bias included) and the loss's derivatives by y.</summary>
    /// <param name="bias">[rows], or null.</param>
    /// <param name="x">[tokens, columns]</param>
    /// <param name="dy">[tokens, rows]</param>
    /// <param name="y">[tokens, rows]</param>
    void Add(Projection projection, float[]? bias, float[] x, float[] dy, float[] y, int tokens);
}
