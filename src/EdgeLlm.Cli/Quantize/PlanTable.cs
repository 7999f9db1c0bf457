using EdgeLlm.Cli.Output;
using EdgeLlm.Quantization;

namespace EdgeLlm.Cli.Quantize;

/// <summary>`edgellm quantize --dry-run`: what would become of each tensor, and how large all are together.</summary>
internal static class PlanTable
{
    public static void Show(TensorPlan plan)
    {
        var report = new Report();
        report.Table(["tensor", "shape", "from", "to", "size"], plan.Tensors.Select(tensor => new[]
        {
            Printable.Line(tensor.Name), string.Join(" x ", tensor.MatrixShape), tensor.TypeName, plan.NewTypeOf(tensor) ?? "as it is",
            Quantity.Bytes(plan.BytesOf(tensor)),
        }), 4);
        if (plan.Lattices.Count > 0)
            report.Line(
                $"{plan.Lattices.Count} {(plan.Lattices.Count == 1 ? "matrix is" : "matrices are")} on the lattice of Q4_0, as a training for it leaves them, and keep its codes (--no-lattice: they are rounded as the others)");
        report.Line(
            Quantity.Text(
                $"{Quantity.Bytes(plan.OutputBytes)} of tensors, {plan.BitsPerWeight:F2} bits a weight; from {Quantity.Bytes(plan.File.FileSize)}"));
        if (plan is QuantizationPlan { PredictedDivergence: { } divergence })
            report.Line(Quantity.Text($"predicted KL divergence from the source: about {divergence:F4} nats a token"));
    }
}
