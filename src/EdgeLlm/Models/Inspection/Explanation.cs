namespace EdgeLlm.Models.Inspection;

/// <summary>How a model is looked into.</summary>
public sealed record ExplainOptions
{
    /// <summary>Likeliest tokens that are kept of each prediction.</summary>
    public int Top { get; init; } = 10;

    /// <summary>Whether what each layer does is looked at, too.</summary>
    public bool Layers { get; init; }

    /// <summary>The first layer that is looked at, from 0.</summary>
    public int FirstLayer { get; init; }

    /// <summary>The last layer that is looked at.</summary>
    public int LastLayer { get; init; } = int.MaxValue;

    /// <summary>Largest shares of attention that are kept of a token and head; 0: all.</summary>
    public int Attention { get; init; } = 16;

    /// <summary>Adapters that it is computed with.</summary>
    public IReadOnlyList<Adapters.AdapterUse> Adapters { get; init; } = [];

    /// <summary>Control vectors that it is computed with.</summary>
    public IReadOnlyList<Adapters.ControlVectorUse> ControlVectors { get; init; } = [];
}

/// <summary>Predictions of a model for a text, token by token.</summary>
/// <param name="Tokens">The text's tokens, then those of the answer.</param>
/// <param name="PromptTokens">How many of them are the prompt's.</param>
/// <param name="Layers">The layers that were looked at, by number.</param>
/// <param name="Heads">Heads of attention of each of these layers; 0: it has none.</param>
public sealed record Explanation(IReadOnlyList<ExplainedToken> Tokens, int PromptTokens, IReadOnlyList<int> Layers,
    IReadOnlyList<int> Heads);

/// <summary>A token, and how the model predicted it.</summary>
/// <param name="Id">Its number.</param>
public sealed record ExplainedToken(int Id)
{
    /// <summary>The probability that it had after the tokens before it; null of the first.</summary>
    public double? Probability { get; init; }

    /// <summary>How many tokens were likelier, plus 1; null of the first.</summary>
    public int? Rank { get; init; }

    /// <summary>The likeliest tokens in its place, the likeliest first; empty of the first.</summary>
    public IReadOnlyList<Candidate> Candidates { get; init; } = [];

    /// <summary>Predictions of each layer for the token, in the order of <see cref="Explanation.Layers"/>.</summary>
    public IReadOnlyList<ExplainedLayer> Layers { get; init; } = [];
}

/// <summary>A token that could come next.</summary>
/// <param name="Id">Its number.</param>
/// <param name="Probability">By the softmax of the logits.</param>
public readonly record struct Candidate(int Id, double Probability);

/// <summary>Prediction of a layer for a token.</summary>
public sealed record ExplainedLayer
{
    /// <summary>The next tokens that the model would find likeliest if it ended after this layer: the logit lens.</summary>
    public IReadOnlyList<Candidate> Lens { get; init; } = [];

    /// <summary>Length of the residual stream after the layer.</summary>
    public double Norm { get; init; }

    /// <summary>Of each head the positions that it looked at and their shares, the largest first; empty: no attention here.</summary>
    public IReadOnlyList<IReadOnlyList<(int Position, double Share)>> Attention { get; init; } = [];

    /// <summary>Experts that the token went to, and their weights; empty: none.</summary>
    public IReadOnlyList<(int Expert, double Weight)> Experts { get; init; } = [];

    /// <summary>Length of a recurrent layer's state after the token; null: the layer carries none.</summary>
    public double? StateNorm { get; init; }
}
