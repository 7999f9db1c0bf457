namespace EdgeLlm.Tokenization.Patterns;

/// <summary>Cuts a piece of text into smaller pieces; nothing is lost or changed.</summary>
internal abstract class Splitter
{
    /// <summary>Appends where each piece of <paramref name="text"/> ends, plus <paramref name="offset"/>.</summary>
    public abstract void Split(ReadOnlySpan<byte> text, int offset, List<int> ends);
}
