namespace EdgeLlm.Models.Spec;

/// <summary>An entry of a cache, as a step asks for it.</summary>
internal abstract record CacheSpec;

/// <summary>Keys and values of all positions.</summary>
internal sealed record KeyValueSpec(int Heads, int Dimension) : CacheSpec;
