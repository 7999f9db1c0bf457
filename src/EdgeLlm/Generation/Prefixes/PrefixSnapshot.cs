using EdgeLlm.Files;
using EdgeLlm.Models;

namespace EdgeLlm.Generation.Prefixes;

/// <summary>A prompt's beginning that is computed once, and shipped beside a model.</summary>
internal static class PrefixSnapshot
{
    /// <summary>Computes tokens and writes what they leave in a context.</summary>
    /// <param name="tokens">No more than the context holds.</param>
    /// <returns>Bytes of the file.</returns>
    /// <exception cref="FileException">It can't be written.</exception>
    /// <exception cref="OperationCanceledException">Cancelled; there is no file then.</exception>
    public static long Write(LanguageModel model, ReadOnlySpan<int> tokens, string path, CancellationToken cancellation)
    {
        byte[] key = PrefixFolder.KeyOf(model, cancellation);
        using KvCache memory = model.CreateCache();
        model.ForwardWithoutLogits(tokens, memory, cancellation);
        using var prefixes = new PrefixCache(model.Pages, long.MaxValue);
        prefixes.Store(new PrefixScope(PrefixScope.Shared), tokens.ToArray(), memory, tokens.Length);
        Unwritten all = prefixes.Unwritten(conversations: false, long.MaxValue)
            ?? throw new InvalidOperationException("there are no tokens to compute");
        PrefixFile.Write(path, key, all.Scope, model.Name, prefixes.PageBytes, prefixes.CheckpointBytes, all.Nodes,
            all.Copy, isPrivate: false);
        return new FileInfo(path).Length;
    }
}
