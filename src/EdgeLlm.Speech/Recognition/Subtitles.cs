using System.Globalization;
using System.Text;

namespace EdgeLlm.Speech.Recognition;

/// <summary>Segments as subtitles.</summary>
public static class Subtitles
{
    /// <summary>SubRip: numbered, times with a comma.</summary>
    public static string Srt(IReadOnlyList<TranscriptSegment> segments)
    {
        var text = new StringBuilder();
        for (int i = 0; i < segments.Count; i++) text.Append(SrtEntry(segments[i], i + 1));
        return text.ToString();
    }

    /// <summary>WebVTT.</summary>
    public static string Vtt(IReadOnlyList<TranscriptSegment> segments)
    {
        var text = new StringBuilder("WEBVTT\n\n");
        foreach (TranscriptSegment segment in segments) text.Append(VttEntry(segment));
        return text.ToString();
    }

    /// <summary>One segment of <see cref="Srt"/>.</summary>
    /// <param name="number">From 1.</param>
    public static string SrtEntry(TranscriptSegment segment, int number) =>
        $"{number.ToString(CultureInfo.InvariantCulture)}\n{Time(segment.Start, ',')} --> "
            + $"{Time(segment.End, ',')}\n{Line(segment.Text)}\n\n";

    /// <summary>One segment of <see cref="Vtt"/>.</summary>
    public static string VttEntry(TranscriptSegment segment) =>
        $"{Time(segment.Start, '.')} --> {Time(segment.End, '.')}\n{Line(segment.Text)}\n\n";

    /// <summary>An arrow would be taken for a time, and an empty line for the end.</summary>
    private static string Line(string text) => text.Replace("-->", "->", StringComparison.Ordinal).ReplaceLineEndings(" ").Trim();

    private static string Time(double seconds, char separator)
    {
        long milliseconds = (long)Math.Round(Math.Max(0, seconds) * 1000);
        return string.Create(CultureInfo.InvariantCulture,
            $"{milliseconds / 3_600_000:00}:{milliseconds / 60_000 % 60:00}:{milliseconds / 1000 % 60:00}{separator}{milliseconds % 1000:000}");
    }
}
