using EdgeLlm.Speech.Phonemes;

namespace EdgeLlm.Speech.Synthesis;

/// <summary>How text is spoken.</summary>
public sealed record SpeechOptions
{
    /// <summary>Least and greatest factor of the tempo.</summary>
    public const double LeastSpeed = 0.5, GreatestSpeed = 2;

    /// <summary>Most seconds of a pause.</summary>
    public const double LongestPause = 5;

    /// <summary>Factor of the tempo, 0.5 to 2; 1 is the voice's own.</summary>
    public double Speed { get; init; } = 1;

    /// <summary>Seed of the noise in the voice: the same seed gives the same sound, to the bit.</summary>
    public ulong Seed { get; init; }

    /// <summary>Factor of the samples, 0 to 4; what exceeds full scale is cut.</summary>
    public double Volume { get; init; } = 1;

    /// <summary>Seconds of silence between sentences, 0 to 5.</summary>
    public double SentencePause { get; init; } = 0.25;

    /// <summary>Seconds of silence between paragraphs, 0 to 5.</summary>
    public double ParagraphPause { get; init; } = 0.5;

    /// <summary>
    /// Whether the voice's own silence before and after each sentence (0.3 and 0.5 s) stays, and takes the pauses' place.
    /// </summary>
    public bool KeepsSilence { get; init; }

    /// <summary>Whether a text that begins with `&lt;speak` is SSML. Otherwise its marks are text.</summary>
    public bool IsMarkup { get; init; }

    /// <summary>
    /// Whether the text is Markdown, as models write it: its marks are not read, links by their text, blocks of code as "code".
    /// </summary>
    public bool IsMarkdown { get; init; }

    /// <summary>Seconds of a pause.</summary>
    internal double PauseOf(SpeechPause pause) => pause switch
    {
        SpeechPause.Paragraph => ParagraphPause,
        SpeechPause.Sentence => SentencePause,
        _ => 0,
    };

    /// <exception cref="ArgumentException">A number is out of its range; the message names it.</exception>
    internal void Check()
    {
        Require(Speed, LeastSpeed, GreatestSpeed, "speed");
        Require(Volume, 0, 4, "volume");
        Require(SentencePause, 0, LongestPause, "pause between sentences");
        Require(ParagraphPause, 0, LongestPause, "pause between paragraphs");
    }

    private static void Require(double value, double least, double most, string name)
    {
        if (!(value >= least && value <= most)) throw new ArgumentException($"the {name} must be from {least} to {most}, not {value}");
    }
}
