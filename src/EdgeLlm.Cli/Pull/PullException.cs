namespace EdgeLlm.Cli.Pull;

/// <summary>A download that trying again does not mend.</summary>
internal sealed class PullException(string message) : IOException(message);
