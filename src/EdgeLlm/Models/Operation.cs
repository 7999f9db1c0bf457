namespace EdgeLlm.Models;

/// <summary>The parts of a forward pass, in their order; names are what `bench --profile` prints.</summary>
internal enum Operation
{
    /// <summary>Embedding rows and rotation angles.</summary>
    Embed,

    /// <summary>RMS norms.</summary>
    Norm,

    /// <summary>Queries, keys and values: one product.</summary>
    QueryKeyValue,

    /// <summary>Rotation, and keys and values into the cache.</summary>
    RotateAndStore,

    /// <summary>Softmax over keys, times values.</summary>
    Attention,

    /// <summary>Attention's output product.</summary>
    AttentionOutput,

    /// <summary>Gate and up: one product.</summary>
    GateUp,

    /// <summary>SiLU of the gate, times up.</summary>
    Activation,

    /// <summary>The down product.</summary>
    Down,

    /// <summary>Additions to the residual.</summary>
    Add,

    /// <summary>Logits.</summary>
    Head,
}
