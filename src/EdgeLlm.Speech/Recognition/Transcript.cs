namespace EdgeLlm.Speech.Recognition;

/// <summary>Text of a recording, with its segments.</summary>
/// <param name="Text">All of it.</param>
/// <param name="Language">The language's code, such as `en`.</param>
/// <param name="Duration">Seconds of sound.</param>
/// <param name="Segments">In order of time.</param>
public sealed record Transcript(string Text, string Language, double Duration, IReadOnlyList<TranscriptSegment> Segments);

/// <summary>A sentence, or what fits a window.</summary>
/// <param name="Start">Seconds from the beginning.</param>
/// <param name="End">Seconds from the beginning.</param>
/// <param name="Text">Without spaces around it.</param>
public sealed record TranscriptSegment(double Start, double End, string Text)
{
    /// <summary>Its tokens, timestamps among them.</summary>
    public IReadOnlyList<int> Tokens { get; init; } = [];

    /// <summary>The natural logarithm of each token's probability.</summary>
    public IReadOnlyList<float> LogProbabilities { get; init; } = [];

    /// <summary>Its words with times, where they were asked for.</summary>
    public IReadOnlyList<TranscriptWord> Words { get; init; } = [];

    /// <summary>The temperature that its window was decoded with.</summary>
    public double Temperature { get; init; }

    /// <summary>Mean of the window's <see cref="LogProbabilities"/>.</summary>
    public double MeanLogProbability { get; init; }

    /// <summary>How many times shorter the window's text is when compressed.</summary>
    public double CompressionRatio { get; init; }

    /// <summary>Probability that the window has no speech.</summary>
    public double NoSpeechProbability { get; init; }

    /// <summary>Sample that its window begins at.</summary>
    public long WindowStart { get; init; }
}

/// <summary>A word with its time.</summary>
/// <param name="Start">Seconds from the beginning.</param>
/// <param name="End">Seconds from the beginning.</param>
/// <param name="Text">With the space or punctuation that belongs to it.</param>
/// <param name="Probability">Mean of its tokens' probabilities.</param>
public sealed record TranscriptWord(double Start, double End, string Text, double Probability);
