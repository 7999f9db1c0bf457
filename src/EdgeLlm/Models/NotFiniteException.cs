namespace EdgeLlm.Models;

/// <summary>An activation is infinite or no number. The message names the layer.</summary>
public sealed class NotFiniteException(string message) : Exception(message)
{
    /// <summary>The exception for a number of a language model or an encoder.</summary>
    /// <param name="what">What the number is, such as "a result of blk.0.attn_q.weight".</param>
    internal static NotFiniteException Of(string what) =>
        new($"{what} is infinite or not a number: the model's weights, or an adapter's, are damaged, or its numbers exceed what this type "
            + "can hold");
}
