using System.Buffers;
using System.Runtime.CompilerServices;
using EdgeLlm.Sampling.Constraints;
using EdgeLlm.Tokenization;

namespace EdgeLlm.Generation;

/// <summary>The vocabularies of models as trees for constraints, each made when first needed.</summary>
internal static class ConstraintVocabulary
{
    private const int MostTrees = 4; // of a tokenizer, for formats of calls

    private static readonly ConditionalWeakTable<Tokenizer, Dictionary<string, TokenTree>> Trees = [];

    /// <summary>
    /// The tree of a tokenizer's tokens. Control tokens and markup have no bytes there, so that they are never chosen, but for those that
    /// are visible.
    /// </summary>
    /// <param name="visible">Markup that a form may have (<see cref="GenerationOptions.VisibleTokens"/>); null: none.</param>
    public static TokenTree Of(Tokenizer tokenizer, IReadOnlyList<int>? visible = null)
    {
        visible =
            [.. (visible ?? []).Where(id => !tokenizer.IsEndOfGeneration(id)
                && (tokenizer.IsControl(id) || tokenizer.Vocabulary.IsMarkup(id)))];
        string key = string.Join(',', visible);
        lock (Trees)
        {
            if (!Trees.TryGetValue(tokenizer, out Dictionary<string, TokenTree>? trees)) Trees.Add(tokenizer, trees = []);
            if (trees.TryGetValue(key, out TokenTree? tree)) return tree;
            if (trees.Count >= MostTrees) trees.Clear(); // answers that use one have it
            return trees[key] = Make(tokenizer, [.. visible]);
        }
    }

    private static TokenTree Make(Tokenizer tokenizer, HashSet<int> visible)
    {
        var tokens = new byte[tokenizer.VocabularySize][];
        var ends = new List<int>();
        var bytes = new ArrayBufferWriter<byte>();
        for (int id = 0; id < tokens.Length; id++)
        {
            bytes.ResetWrittenCount();
            if (tokenizer.IsEndOfGeneration(id)) ends.Add(id);
            else if (visible.Contains(id)) tokenizer.Decode(id, bytes, renderSpecial: true);
            else if (!tokenizer.IsControl(id) && !tokenizer.Vocabulary.IsMarkup(id)) tokenizer.Decode(id, bytes);
            tokens[id] = bytes.WrittenSpan.ToArray();
        }
        return new TokenTree(tokens, ends);
    }
}
