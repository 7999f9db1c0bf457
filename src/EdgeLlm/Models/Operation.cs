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

    /// <summary>Convolutions and states of recurrent layers.</summary>
    Recurrence,

    /// <summary>Attention's output product, or a recurrence's.</summary>
    AttentionOutput,

    /// <summary>The choice of experts: the router's product, tokens to their rows and back.</summary>
    Route,

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
