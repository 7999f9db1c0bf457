namespace EdgeLlm.Sampling;

/// <summary>Changes logits by what it is told of the tokens so far.</summary>
internal interface ILogitAdjustment
{
    /// <summary>The next token of the text, from the prompt or chosen.</summary>
    void Accept(int token)
    {
    }

    /// <summary>Changes the logits [vocabulary] in place.</summary>
    void Apply(Span<float> logits);

    /// <summary>Forgets the tokens.</summary>
    void Reset()
    {
    }
}
