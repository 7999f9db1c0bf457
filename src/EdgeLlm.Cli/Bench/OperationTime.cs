using EdgeLlm.Models;

namespace EdgeLlm.Cli.Bench;

/// <summary>
/// Time of an operation for a prompt token and for a decoded one, in seconds; bytes of weights read and multiply-adds for a token.
/// </summary>
internal sealed record OperationTime(Operation Operation, double Prompt, double Decode, long Bytes, long MultiplyAdds);
