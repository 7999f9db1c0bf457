using EdgeLlm.Kernels;

namespace EdgeLlm.Models.Families;

/// <summary>Names of activations in config.json (transformers' activations.py); a GGUF file has the first of each.</summary>
internal static class ActivationNames
{
    private static readonly (string Name, Activation Activation)[] Names =
    [
        ("silu", Activation.Silu), ("swish", Activation.Silu), ("gelu", Activation.Gelu), ("gelu_python", Activation.Gelu),
        ("gelu_pytorch_tanh", Activation.GeluTanh),
        ("gelu_new", Activation.GeluTanh), ("gelu_fast", Activation.GeluTanh), ("quick_gelu", Activation.GeluQuick),
        ("relu", Activation.Relu), ("relu2", Activation.ReluSquared),
    ];

    /// <summary>All names, for messages.</summary>
    public static string All { get; } = string.Join(", ", Names.Select(entry => entry.Name));

    public static Activation? Find(string name) =>
        Names.FirstOrDefault(entry => entry.Name == name) is { Name: not null } entry ? entry.Activation : null;

    public static string Of(Activation activation) => Names.First(entry => entry.Activation == activation).Name;
}
