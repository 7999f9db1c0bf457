namespace EdgeLlm.Generation.Scheduling;

/// <summary>An answer that is being computed: its sequence and its context. Used by the scheduler's thread alone.</summary>
internal sealed class RunningAnswer(Answer answer, ContextPool.Context context)
{
    public Answer Answer { get; } = answer;

    public ContextPool.Context Context { get; } = context;

    public Sequence Sequence { get; } = new(context.Cache, answer.Request.Options, answer.Request.Shorten);

    /// <summary>Whether it has few tokens to compute for the next one: such answers share a pass.</summary>
    public bool Decodes => Sequence.Decodes;

    /// <summary>Whether there is something to compute; where not, it has ended.</summary>
    public bool Prepare()
    {
        if (Answer.HasEnded) return false;
        try
        {
            if (Sequence.Prepare()) return true;
            Write(Sequence.End(FinishReason.ContextFull));
        }
        catch (Exception exception)
        {
            Answer.Fail(exception);
        }
        return false;
    }

    /// <summary>Chooses the next token by the logits of the last one, and those after it as far as a draft is right.</summary>
    /// <returns>The exception that ended it, or null.</returns>
    public Exception? Accept(Span<float> logits, int drafted = 0)
    {
        try
        {
            Write(Sequence.Accept(logits, drafted));
            return null;
        }
        catch (Exception exception)
        {
            Answer.Fail(exception);
            return exception;
        }
    }

    /// <summary>Ends it before its end, with the text so far.</summary>
    public void End(FinishReason reason) => Write(Sequence.End(reason));

    private void Write(ReadOnlySpan<char> text)
    {
        Answer.Generated = Sequence.Tokens.Count;
        while (Sequence.TakeMeasured() is { } token) Answer.Add(token);
        Answer.Write(text);
        if (Sequence.HasEnded) Answer.End(Sequence.Tokens, Sequence.Statistics);
    }
}
