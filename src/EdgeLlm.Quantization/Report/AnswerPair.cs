namespace EdgeLlm.Quantization.Report;

/// <summary>A question, and what the source and the new model answer, the likeliest token each time.</summary>
internal sealed record AnswerPair(string Question, string Source, string Answer);
