namespace EdgeLlm.Tokenization;

/// <summary>A model's tokenizer data cannot be used. The message is one line and names the metadata field.</summary>
public sealed class TokenizerException(string message) : Exception(Printable.Line(message));
