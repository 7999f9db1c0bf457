namespace EdgeLlm.Generation.Prefixes;

/// <summary>
/// Who may use what was computed, beside the model and its options (<see cref="Models.LanguageModel.StateKey"/>): a prefix is found in its
/// own scope only.
/// </summary>
/// <param name="Owner">Whose it is: a hash of an API key; empty: the service's; <see cref="Shared"/>: everybody's.</param>
/// <param name="Variant">Adapters and control vectors in their order, each with its scale; empty: none.</param>
internal readonly record struct PrefixScope(string Owner, string Variant = "")
{
    /// <summary>Owner of what all may use: prefixes of snapshots and of the settings' system prompt.</summary>
    public const string Shared = "*";

    /// <summary>The service's own, without adapters.</summary>
    public static PrefixScope Service { get; } = new("");
}
