using EdgeLlm.Tokenization;

namespace EdgeLlm.Speech.Recognition;

/// <summary>The tokens that steer Whisper. Source: openai/whisper tokenizer.py.</summary>
internal sealed class WhisperTokens
{
    /// <summary>Models with at least that number of tokens know more languages than English.</summary>
    private const int MultilingualVocabulary = 51865;

    public WhisperTokens(string path, Tokenizer tokenizer, WhisperConfig config)
    {
        End = Find("<|endoftext|>");
        Start = Find("<|startoftranscript|>");
        Transcribe = Find("<|transcribe|>");
        Translate = Find("<|translate|>");
        Previous = Find("<|startofprev|>");
        NoTimestamps = Find("<|notimestamps|>");
        NoSpeech = tokenizer.FindToken("<|nospeech|>") ?? Find("<|nocaptions|>");
        IsMultilingual = config.Vocabulary >= MultilingualVocabulary;
        if (FirstTimestamp + config.EncoderPositions >= config.Vocabulary)
            throw new ModelException(path,
                $"has {config.Vocabulary} tokens: too few for timestamps up to {config.EncoderPositions / 50.0:0.##} s after "
                    + $"<|notimestamps|> ({NoTimestamps})");
        if (!IsMultilingual) return;
        for (int id = Start + 1; id < Math.Min(Translate, Transcribe); id++)
        {
            string text = tokenizer.Decode([id], renderSpecial: true);
            if (text.StartsWith("<|", StringComparison.Ordinal) && text.EndsWith("|>", StringComparison.Ordinal))
                Languages.Add(text[2..^2], id);
        }

        int Find(string text) =>
            tokenizer.FindToken(text) is { } id && id < config.Vocabulary ? id
                : throw new ModelException(path, $"has a tokenizer without {text}: not one of Whisper");
    }

    public int End { get; }

    public int Start { get; }

    public int Transcribe { get; }

    public int Translate { get; }

    /// <summary>Comes before the text of a prompt.</summary>
    public int Previous { get; }

    public int NoSpeech { get; }

    public int NoTimestamps { get; }

    /// <summary>0 s; each token after it is 20 ms later.</summary>
    public int FirstTimestamp => NoTimestamps + 1;

    public bool IsMultilingual { get; }

    /// <summary>Tokens by language (`en`, `de`); none of a model that knows English alone.</summary>
    public Dictionary<string, int> Languages { get; } = [];

    public bool IsTimestamp(int id) => id >= FirstTimestamp;
}
