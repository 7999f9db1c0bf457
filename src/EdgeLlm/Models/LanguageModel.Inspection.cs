using EdgeLlm.Models.Layers;

namespace EdgeLlm.Models;

/// <summary>Observers of its passes.</summary>
public sealed unsafe partial class LanguageModel
{
    /// <summary>Receives the time of each operation, where set.</summary>
    internal OperationProfile? Profile
    {
        set => _transformer.Profile = value;
    }

    /// <summary>Sees a pass after each of its steps, where set.</summary>
    internal Action<Step, Pass>? Observer
    {
        set => _transformer.Observer = value;
    }

    /// <summary>Sees a pass after each of its layers, where set.</summary>
    internal Action<int, Pass>? LayerObserver
    {
        set => _transformer.LayerObserver = value;
    }

    /// <summary>Its steps.</summary>
    internal ModelSteps Steps => _steps;

    /// <summary>
    /// From within <see cref="LayerObserver"/>: logits [tokens, vocabulary] as if the model ended after the layer at hand.
    /// </summary>
    internal void Lens(float* logits) => _transformer.Lens(logits);
}
