using System.Runtime.InteropServices;

namespace EdgeLlm.Sampling;

/// <summary>
/// Penalties for tokens of the window, in llama.cpp's order. Repeat (CTRL, https://arxiv.org/abs/1909.05858): a positive logit is
/// divided and another multiplied, so that both fall. Then presence is subtracted once, and frequency for each occurrence.
/// </summary>
internal sealed class RepetitionPenalties(float repeat, float presence, float frequency, int window) : ILogitAdjustment
{
    private readonly TokenWindow _window = new(window);
    private readonly Dictionary<int, int> _occurrences = new(window + 1); // by token of the window

    public void Accept(int token)
    {
        if (_window.IsFull) Forget(_window.Tokens[0]);
        _window.Add(token);
        CollectionsMarshal.GetValueRefOrAddDefault(_occurrences, token, out _)++;
    }

    public void Apply(Span<float> logits)
    {
        foreach ((int token, int count) in _occurrences)
        {
            float logit = logits[token];
            logit = logit > 0 ? logit / repeat : logit * repeat;
            logits[token] = logit - (count * frequency + presence);
        }
    }

    public void Reset()
    {
        _window.Clear();
        _occurrences.Clear();
    }

    private void Forget(int token)
    {
        ref int count = ref CollectionsMarshal.GetValueRefOrNullRef(_occurrences, token);
        if (--count == 0) _occurrences.Remove(token);
    }
}
