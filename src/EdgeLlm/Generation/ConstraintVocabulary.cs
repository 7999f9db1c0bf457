using System.Buffers;
using System.Runtime.CompilerServices;
using EdgeLlm.Sampling.Constraints;
using EdgeLlm.Tokenization;

namespace EdgeLlm.Generation;

/// <summary>The vocabularies of models as trees for constraints, each made when first needed.</summary>
internal static class ConstraintVocabulary
{
    private static readonly ConditionalWeakTable<Tokenizer, TokenTree> Trees = [];

    /// <summary>The tree of a tokenizer's tokens. Control tokens and markup have no bytes there, so that they are never chosen.</summary>
    public static TokenTree Of(Tokenizer tokenizer)
    {
        lock (Trees)
        {
            if (!Trees.TryGetValue(tokenizer, out TokenTree? tree)) Trees.Add(tokenizer, tree = Make(tokenizer));
            return tree;
        }
    }

    private static TokenTree Make(Tokenizer tokenizer)
    {
        var tokens = new byte[tokenizer.VocabularySize][];
        var ends = new List<int>();
        var bytes = new ArrayBufferWriter<byte>();
        for (int id = 0; id < tokens.Length; id++)
        {
            bytes.ResetWrittenCount();
            if (tokenizer.IsEndOfGeneration(id)) ends.Add(id);
            else if (!tokenizer.IsControl(id) && !tokenizer.Vocabulary.IsMarkup(id)) tokenizer.Decode(id, bytes);
            tokens[id] = bytes.WrittenSpan.ToArray();
        }
        return new TokenTree(tokens, ends);
    }
}
