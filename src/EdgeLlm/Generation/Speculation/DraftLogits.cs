using EdgeLlm.Models;

namespace EdgeLlm.Generation.Speculation;

/// <summary>Logits of passes that verify drafts, one for all contexts of a model: who finds it taken computes one token. In the model's memory plan.</summary>
internal sealed class DraftLogits : IDisposable
{
    private readonly Lock _gate = new();
    private readonly int _vocabulary;
    private float[]? _free;
    private bool _isMade;

    private DraftLogits(int vocabulary) => _vocabulary = vocabulary;

    /// <summary>That of a model.</summary>
    public static DraftLogits Of(LanguageModel model) => model.Companion(() => new DraftLogits(model.Info.VocabularySize));

    /// <summary>Takes it [<see cref="DraftLength.MostTokens"/>, vocabulary]; null where another has it.</summary>
    public float[]? TryTake()
    {
        lock (_gate)
        {
            if (!_isMade) (_isMade, _free) = (true, GC.AllocateUninitializedArray<float>(checked(DraftLength.MostTokens * _vocabulary), pinned: true));
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
