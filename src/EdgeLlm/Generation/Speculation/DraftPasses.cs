using EdgeLlm.Models;

namespace EdgeLlm.Generation.Speculation;

/// <summary>
/// Shared state of passes with drafts, for all contexts of a model: room for their logits, in the model's memory plan, and the times that
/// they took.
/// </summary>
internal sealed class DraftPasses : IDisposable
{
    /// <summary>Most tokens of a pass with drafts.</summary>
    public const int MostTokens = LanguageModel.MostSequences;

    private readonly Lock _gate = new();
    private readonly int _vocabulary;
    private float[]? _free;
    private bool _isMade;

    private DraftPasses(int vocabulary) => _vocabulary = vocabulary;

    /// <summary>That of a model.</summary>
    public static DraftPasses Of(LanguageModel model) => model.Companion(() => new DraftPasses(model.Info.VocabularySize));

    /// <summary>Times of the model's passes.</summary>
    public PassTimes Times { get; } = new();

    /// <summary>Takes the room for logits [<see cref="MostTokens"/>, vocabulary]; null where another has it.</summary>
    public float[]? TryTake()
    {
        lock (_gate)
        {
            if (!_isMade) (_isMade, _free) = (true, GC.AllocateUninitializedArray<float>(checked(MostTokens * _vocabulary), pinned: true));
            (float[]? taken, _free) = (_free, null);
            return taken;
        }
    }

    /// <summary>Gives it back.</summary>
    public void Return(float[] taken)
    {
        lock (_gate) _free = taken;
    }

    public void Dispose()
    {
        lock (_gate) _free = null;
    }
}

/// <summary>
/// Seconds that a model's passes of 1 to 8 tokens take, and a token of its draft model: running means, measured as it answers. Answers
/// never depend on them.
/// </summary>
internal sealed class PassTimes
{
    private const double Weight = 0.2; // of the newest in a running mean
    private const double GuessedCost = 0.15; // of each further token of a pass, in the time of a pass of one, until it is measured

    private readonly double[] _seconds = new double[DraftPasses.MostTokens + 1]; // of a pass of so many tokens; 0: not measured yet

    /// <summary>Whether there is a pass of a given number of tokens to compare others with.</summary>
    public bool IsKnown(int tokens) => tokens <= DraftPasses.MostTokens && _seconds[tokens] > 0;

    /// <summary>Of a token that the draft model guesses; 0: not measured yet.</summary>
    public double Guess { get; private set; }

    /// <summary>A pass has been computed; one of more tokens than a pass with drafts has tells nothing.</summary>
    public void Measured(int tokens, TimeSpan time)
    {
        if (tokens > DraftPasses.MostTokens) return;
        ref double mean = ref _seconds[tokens];
        mean = Mean(mean, time.TotalSeconds);
    }

    /// <summary>The draft model has guessed a token.</summary>
    public void MeasuredGuess(TimeSpan time) => Guess = Mean(Guess, time.TotalSeconds);

    /// <summary>Seconds of a pass, measured or by the next shorter one that was.</summary>
    public double Of(int tokens)
    {
        int known = tokens;
        while (known > 1 && _seconds[known] == 0) known--;
        double seconds = _seconds[known] == 0 ? 1 : _seconds[known];
        return seconds * (1 + GuessedCost * (tokens - 1)) / (1 + GuessedCost * (known - 1));
    }

    private static double Mean(double mean, double newest) => mean == 0 ? newest : mean + Weight * (newest - mean);
}
