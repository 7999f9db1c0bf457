using EdgeLlm.Models;

namespace EdgeLlm.Cli.Bench;

/// <summary>What an operation takes, of a prompt token and of a decoded one, in seconds; and what of weights it reads and multiplies for a token.</summary>
internal sealed record OperationTime(Operation Operation, double Prompt, double Decode, long Bytes, long MultiplyAdds);
