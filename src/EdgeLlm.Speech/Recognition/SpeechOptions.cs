using EdgeLlm.Sampling.Constraints;

namespace EdgeLlm.Speech.Recognition;

/// <summary>How a recognizer is opened.</summary>
public sealed record SpeechOptions
{
    /// <summary>Threads; 0: one per processor core. Results don't depend on it.</summary>
    public int Threads { get; init; }

    /// <summary>A kernel's name, or null for the best that this processor has. Results don't depend on it.</summary>
    public string? Kernel { get; init; }

    /// <summary>Multiply packed weights with float activations: slow and exact, to check a model with.</summary>
    public bool FloatActivations { get; init; }
}

/// <summary>Options of a transcription.</summary>
public sealed record TranscriptionOptions
{
    /// <summary>The language as a code such as `en`; null: English, or what a multilingual model detects.</summary>
    public string? Language { get; init; }

    /// <summary>English text of speech in another language.</summary>
    public bool Translate { get; init; }

    /// <summary>Text in the style and with the words that are expected; the last 223 tokens count.</summary>
    public string? Prompt { get; init; }

    /// <summary>Words that are favoured where the sound allows them.</summary>
    public IReadOnlyList<string> Hotwords { get; init; } = [];

    /// <summary>Bonus added to the logits of the tokens of <see cref="Hotwords"/>.</summary>
    public float HotwordBonus { get; init; } = 2;

    /// <summary>
    /// A form that the text of each window has: of all that may be said only that is heard, the likeliest of it. Then times of segments are
    /// those of windows. Null: any text.
    /// </summary>
    public OutputConstraint? Form { get; init; }

    /// <summary>Whether times are needed; null: where the sound is longer than a window, which is cut by them.</summary>
    public bool? Timestamps { get; init; }

    /// <summary>Times of each word.</summary>
    public bool WordTimestamps { get; init; }

    /// <summary>Texts that are followed at once; 1: the likeliest token each time.</summary>
    public int Beams { get; init; } = 1;

    /// <summary>The first temperature; 0: the likeliest text.</summary>
    public double Temperature { get; init; }

    /// <summary>Increase of the temperature when a text looks wrong; 0: it stays as it is.</summary>
    public double TemperatureStep { get; init; } = 0.2;

    /// <summary>Ratio of compression from which a text is a loop.</summary>
    public double MostCompression { get; init; } = 2.4;

    /// <summary>Text with a lower mean logarithm of the tokens' probabilities looks wrong.</summary>
    public double LeastLogProbability { get; init; } = -1;

    /// <summary>Windows with a higher probability of silence, and text that looks wrong, are silence.</summary>
    public double NoSpeechProbability { get; init; } = 0.6;

    /// <summary>Encode 30 s also where less was said.</summary>
    public bool FullWindow { get; init; }

    /// <summary>Seed of the random numbers that temperatures above 0 need.</summary>
    public ulong Seed { get; init; }

    /// <summary>Seconds that a last window has to have at least to be decoded: less is most often silence.</summary>
    internal double ShortestWindow { get; init; } = 1;

    /// <exception cref="ArgumentException">A value is out of range; the message names it.</exception>
    public void Validate()
    {
        Require(Beams is >= 1 and <= TokenDecoder.MostLogits, $"{nameof(Beams)} is {Beams}; it must be 1 to {TokenDecoder.MostLogits}");
        Require(Temperature is >= 0 and <= 2, $"{nameof(Temperature)} is {Temperature}; it must be 0 to 2");
        Require(TemperatureStep is 0 or >= 0.01 and <= 1, $"{nameof(TemperatureStep)} is {TemperatureStep}; it must be 0, or 0.01 to 1");
        Require(!float.IsNaN(HotwordBonus) && Math.Abs(HotwordBonus) <= 100,
            $"{nameof(HotwordBonus)} is {HotwordBonus}; it must be -100 to 100");
        Require(Form is null || Timestamps != true, "a text of a form has no times of segments: leave Timestamps out");
        Require(Hotwords.Count <= 1000, $"{nameof(Hotwords)} has {Hotwords.Count} items; 1000 at most");

        static void Require(bool holds, string message)
        {
            if (!holds) throw new ArgumentException(message);
        }
    }
}
