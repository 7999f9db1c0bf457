using System.Runtime.InteropServices;
using EdgeLlm.Tokenization;

namespace EdgeLlm.Cli.Evaluation;

/// <summary>
/// A text as llama-perplexity cuts it: no special token is parsed in it; where the model adds a BOS it is before the text and takes the
/// place of each window's first token; a rest shorter than a window is dropped. Of each window the tokens from length / 2 + 1 on are
/// predicted.
/// </summary>
internal sealed class TextWindows
{
    /// <summary>The shortest window: one token to begin with, one that predicts and one that is predicted.</summary>
    public const int MinimumLength = 3;

    private readonly List<int> _tokens = [];

    public TextWindows(Tokenizer tokenizer, string text, int length)
    {
        Length = length;
        int? bos = tokenizer.AddsBos ? tokenizer.BosId : null;
        if (bos is { } first) _tokens.Add(first);
        tokenizer.Encode(text, _tokens);
        if (bos is not { } again) return;
        for (int start = 0; start < _tokens.Count; start += Length) _tokens[start] = again;
    }

    /// <summary>Windows that are cut already, one after the other.</summary>
    public TextWindows(IEnumerable<int> tokens, int length)
    {
        Length = length;
        _tokens.AddRange(tokens);
    }

    /// <summary>Tokens of a window.</summary>
    public int Length { get; }

    /// <summary>Whole windows.</summary>
    public int Count => _tokens.Count / Length;

    /// <summary>The text's tokens, those of the rest among them.</summary>
    public ReadOnlySpan<int> Tokens => CollectionsMarshal.AsSpan(_tokens);

    /// <summary>The first position of a window whose prediction counts: that of the token after it.</summary>
    public int FirstPrediction => Length / 2;

    /// <summary>The tokens of a window.</summary>
    public ReadOnlySpan<int> this[int window] => Tokens.Slice(window * Length, Length);
}
