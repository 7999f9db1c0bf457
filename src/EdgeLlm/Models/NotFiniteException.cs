namespace EdgeLlm.Models;

/// <summary>An activation is infinite or no number. The message names the layer.</summary>
public sealed class NotFiniteException(string message) : Exception(message);
