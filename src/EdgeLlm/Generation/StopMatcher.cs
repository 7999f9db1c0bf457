using System.Text;

namespace EdgeLlm.Generation;

/// <summary>Lets text through up to a stop string, and holds back what may become one.</summary>
internal sealed class StopMatcher(IReadOnlyList<string> stops)
{
    private readonly StringBuilder _held = new();

    /// <summary>Appends text; gives what is certain not to belong to a stop string, and whether one has come.</summary>
    public string Append(string text, out bool stopped)
    {
        stopped = false;
        if (stops.Count == 0) return text;
        string all = _held.Append(text).ToString();
        _held.Clear();
        int first = -1;
        foreach (string stop in stops)
        {
            int at = all.IndexOf(stop, StringComparison.Ordinal);
            if (at >= 0 && (first < 0 || at < first)) first = at;
        }
        if (first >= 0)
        {
            stopped = true;
            return all[..first];
        }
        int keep = stops.Max(stop => LongestOverlap(all, stop));
        _held.Append(all, all.Length - keep, keep);
        return all[..^keep];
    }

    /// <summary>What is still held back, at the end of the answer.</summary>
    public string Flush()
    {
        string rest = _held.ToString();
        _held.Clear();
        return rest;
    }

    /// <summary>The longest end of the text that a stop string begins with.</summary>
    private static int LongestOverlap(string text, string stop)
    {
        for (int length = Math.Min(stop.Length - 1, text.Length); length > 0; length--)
        {
            if (text.AsSpan(text.Length - length).SequenceEqual(stop.AsSpan(0, length))) return length;
        }
        return 0;
    }
}
