namespace EdgeLlm.Cli.Evaluation;

/// <summary>How well one token was predicted, in nats and double precision.</summary>
/// <param name="Surprise">-log p of the token that came.</param>
/// <param name="ReferenceSurprise">The same of the reference model; 0 where there is none.</param>
/// <param name="Divergence">KL divergence of the prediction from the reference model's, over the whole vocabulary.</param>
/// <param name="SameTop">Whether both hold the same token to be the likeliest.</param>
internal readonly record struct PredictionScore(double Surprise, double ReferenceSurprise, double Divergence, bool SameTop)
{
    /// <param name="logits">[vocabulary]</param>
    /// <param name="token">The token that came.</param>
    /// <param name="reference">[vocabulary], or empty where there is no reference model.</param>
    public static PredictionScore Of(ReadOnlySpan<float> logits, int token, ReadOnlySpan<float> reference)
    {
        (int top, double logSum) = TopAndLogSum(logits);
        double surprise = logSum - logits[token];
        if (reference.IsEmpty) return new PredictionScore(surprise, 0, 0, true);

        // sum over p_ref (log p_ref - log p), with log p = logit - logSum and p_ref = weight / sum of weights
        (int referenceTop, double referenceLogSum) = TopAndLogSum(reference);
        double difference = 0;
        for (int i = 0; i < reference.Length; i++)
            difference += Math.Exp(reference[i] - referenceLogSum) * ((double)reference[i] - logits[i]);
        return new PredictionScore(surprise, referenceLogSum - reference[token],
            difference - referenceLogSum + logSum, top == referenceTop);
    }

    private static (int Top, double LogSum) TopAndLogSum(ReadOnlySpan<float> logits)
    {
        int top = 0;
        for (int i = 1; i < logits.Length; i++)
        {
            if (logits[i] > logits[top]) top = i;
        }
        double largest = logits[top], sum = 0;
        foreach (float logit in logits) sum += Math.Exp(logit - largest);
        return (top, largest + Math.Log(sum));
    }
}
