using System.Runtime.CompilerServices;
using EdgeLlm.Sampling.Constraints;
using EdgeLlm.Tokenization;

namespace EdgeLlm.Speech.Recognition;

/// <summary>A form that heard texts have, with the tokens of a recognizer.</summary>
/// <param name="end">The token that ends a text.</param>
internal sealed class TextForm(OutputConstraint form, Tokenizer tokenizer, int end)
{
    private static readonly ConditionalWeakTable<Tokenizer, TokenTree> Trees = [];

    /// <summary>Begins a text, or continues one.</summary>
    /// <param name="text">Tokens so far, which have the form.</param>
    public TokenConstraint Begin(ReadOnlySpan<int> text)
    {
        TokenConstraint constraint = form.Begin(Tree, " "u8); // recognizers begin with a space, as within a text
        foreach (int token in text) constraint.Accept(token);
        return constraint;
    }

    /// <summary>Forbids the tokens that can't come next: the text may end where nothing else is left.</summary>
    public void Apply(TokenConstraint constraint, Span<float> logits)
    {
        float atEnd = logits[end];
        if (!constraint.Apply(logits, int.MaxValue)) logits[end] = Math.Max(atEnd, float.MinValue);
    }

    /// <summary>Tokens by their bytes. Those of control (times, languages) have none, so that they are never chosen.</summary>
    private TokenTree Tree
    {
        get
        {
            lock (Trees)
            {
                if (!Trees.TryGetValue(tokenizer, out TokenTree? tree))
                    Trees.Add(tokenizer, tree = new TokenTree([.. Enumerable.Range(0, tokenizer.VocabularySize).Select(BytesOf)], [end]));
                return tree;
            }
        }
    }

    private byte[] BytesOf(int token)
    {
        var bytes = new System.Buffers.ArrayBufferWriter<byte>();
        if (token != end && !tokenizer.IsControl(token) && !tokenizer.Vocabulary.IsMarkup(token)) tokenizer.Decode(token, bytes);
        return bytes.WrittenSpan.ToArray();
    }
}
