using System.Text;
using System.Text.Unicode;

namespace EdgeLlm.Sampling.Constraints;

/// <summary>
/// The texts of a vocabulary's tokens as a tree of their bytes, made once a model. A token without bytes (control tokens) is never chosen
/// under a constraint.
/// </summary>
public sealed class TokenTree
{
    /// <summary>A longer token is never chosen.</summary>
    private const int MostTokenBytes = 250;

    /// <summary>Lengths for which the plain tokens that are no longer have a mask of their own.</summary>
    private const int Lengths = 16;

    /// <summary>Masks that are kept for answers to come: those of sixteen.</summary>
    private const int MostFreeMasks = 1024;

    private readonly Stack<TokenMask> _freeMasks = [];

    private readonly ulong[][] _plain = new ulong[Lengths + 1][];
    private readonly (int Token, int Length)[] _longer;
    private readonly byte[] _bytes; // of all tokens, one after the other
    private readonly int[] _starts;

    /// <param name="tokens">Token -> the bytes that it stands for; empty: none, or not text.</param>
    /// <param name="ends">Tokens that end an answer.</param>
    public TokenTree(IReadOnlyList<byte[]> tokens, IReadOnlyList<int> ends)
    {
        ArgumentNullException.ThrowIfNull(tokens);
        ArgumentNullException.ThrowIfNull(ends);
        Count = tokens.Count;
        _starts = new int[tokens.Count + 1];
        for (int id = 0; id < tokens.Count; id++) _starts[id + 1] = _starts[id] + tokens[id].Length;
        _bytes = new byte[_starts[^1]];
        for (int id = 0; id < tokens.Count; id++) tokens[id].CopyTo(_bytes, _starts[id]);
        Ends = [.. ends];
        int[] sorted =
            [.. Enumerable.Range(0, tokens.Count).Where(id => tokens[id].Length is > 0 and <= MostTokenBytes && !ends.Contains(id))];
        Array.Sort(sorted, (a, b) => tokens[a].AsSpan().SequenceCompareTo(tokens[b]));
        var lengths = new int[tokens.Count];
        foreach (int id in sorted) lengths[id] = PlainLength(tokens[id]);
        All = new Branches(tokens, sorted);
        Rest = new Branches(tokens, [.. sorted.Where(id => lengths[id] == 0)]);
        MostBytes = sorted.Select(id => tokens[id].Length).DefaultIfEmpty(1).Max();
        for (int length = 0; length <= Lengths; length++) _plain[length] = new ulong[Words];
        foreach (int id in sorted)
        {
            for (int length = lengths[id]; length is > 0 and <= Lengths; length++) _plain[length][id >> 6] |= 1UL << (id & 63);
        }
        _longer = [.. sorted.Where(id => lengths[id] > Lengths).Select(id => (id, lengths[id])).OrderBy(token => token.Item2)];
        var alone = new bool[256];
        foreach (int id in sorted)
        {
            if (tokens[id].Length == 1) alone[tokens[id][0]] = true;
        }
        CanSpell = Enumerable.Range(0, 256).All(value => alone[value] || !IsUsual((byte)value));
    }

    /// <summary>Number of tokens.</summary>
    public int Count { get; }

    /// <summary>
    /// Whether each byte of usual text is a token alone, so that what takes n bytes takes at most n tokens. (Vocabularies lack some control
    /// characters, and bytes with which no character in use begins.)
    /// </summary>
    public bool CanSpell { get; }

    /// <summary>The bytes that a token stands for.</summary>
    internal ReadOnlySpan<byte> BytesOf(int token) => _bytes.AsSpan(_starts[token], _starts[token + 1] - _starts[token]);

    /// <summary>Bytes that it takes, which a plan has (<c>MemoryPlan.ConstraintBytes</c>).</summary>
    internal long Bytes =>
        12L * (All.Nodes.Length + Rest.Nodes.Length) + _bytes.Length + 4L * _starts.Length + 8L * Words * (Lengths + 1)
            + 8L * _longer.Length + 8L * All.Same.Capacity;

    /// <summary>Bytes of the longest token.</summary>
    internal int MostBytes { get; }

    internal int[] Ends { get; }

    /// <summary>Words of a mask, a bit a token.</summary>
    internal int Words => (Count + 63) / 64;

    internal Branches All { get; }

    /// <summary>The tokens that are not plain text: those with a quote, backslash or control character, or a part of a character.</summary>
    internal Branches Rest { get; }

    /// <summary>Sets the bits of the plain tokens of a number of characters.</summary>
    /// <param name="least">Characters at least; 0 and 1 are all.</param>
    /// <param name="most">Characters at most.</param>
    internal void AddPlain(Span<ulong> mask, int least, int most)
    {
        ulong[] shorter = _plain[Math.Clamp(least - 1, 0, Lengths)], all = _plain[Math.Min(most, Lengths)];
        for (int word = 0; word < mask.Length; word++) mask[word] |= all[word] & ~shorter[word];
        foreach ((int token, int length) in _longer)
        {
            if (length > most) break;
            if (length >= least) mask[token >> 6] |= 1UL << (token & 63);
        }
    }

    /// <summary>A mask to fill; <see cref="ReturnMask"/> hands it on.</summary>
    internal TokenMask RentMask()
    {
        TokenMask? mask;
        lock (_freeMasks) _freeMasks.TryPop(out mask);
        mask ??= new TokenMask(Words);
        (mask.Position, mask.Used) = (new Position(-1, 0, 0), 0);
        return mask;
    }

    /// <summary>Takes a mask back that nobody uses any more.</summary>
    internal void ReturnMask(TokenMask mask)
    {
        lock (_freeMasks)
        {
            if (_freeMasks.Count < MostFreeMasks) _freeMasks.Push(mask);
        }
    }

    private static bool IsUsual(byte value) =>
        value is (byte)'\n' or (byte)'\t' or (>= (byte)' ' and <= (byte)'~') or (>= 0x80 and <= 0xBF) or (>= 0xC2 and <= 0xF0);

    /// <summary>Characters of a token that may be anywhere in a JSON string as it is; 0: it is not such a one.</summary>
    private static int PlainLength(byte[] token)
    {
        foreach (byte value in token)
        {
            if (value < ' ' || value is (byte)'"' or (byte)'\\') return 0;
        }
        return Utf8.IsValid(token) ? Encoding.UTF8.GetString(token).EnumerateRunes().Count() : 0;
    }

    /// <summary>A tree as a list: nodes in the order of a walk, each with the node that follows if it is skipped.</summary>
    internal sealed class Branches
    {
        /// <param name="sorted">Tokens in the order of their bytes.</param>
        public Branches(IReadOnlyList<byte[]> tokens, int[] sorted)
        {
            var nodes = new List<Node>(sorted.Length * 2);
            var open = new List<int>(); // the nodes of the last token
            byte[] last = [];
            foreach (int id in sorted)
            {
                byte[] token = tokens[id];
                int shared = last.AsSpan().CommonPrefixLength(token);
                Close(shared);
                for (int i = shared; i < token.Length; i++)
                {
                    open.Add(nodes.Count);
                    nodes.Add(new Node(token[i], (byte)(i + 1), 0, -1));
                }
                if (nodes[open[^1]].Token < 0) nodes[open[^1]] = nodes[open[^1]] with { Token = id };
                else Same.Add((nodes[open[^1]].Token, id));
                last = token;
            }
            Close(0);
            Nodes = [.. nodes];

            void Close(int depth)
            {
                for (int i = depth; i < open.Count; i++) nodes[open[i]] = nodes[open[i]] with { Next = nodes.Count };
                open.RemoveRange(depth, open.Count - depth);
            }
        }

        public Node[] Nodes { get; }

        /// <summary>Tokens with the same bytes as another one: the other, and they.</summary>
        public List<(int Token, int Other)> Same { get; } = [];
    }

    /// <param name="Value">The byte.</param>
    /// <param name="Depth">Bytes from the root.</param>
    /// <param name="Next">The node after all below it.</param>
    /// <param name="Token">The token that ends here, or -1.</param>
    internal readonly record struct Node(byte Value, byte Depth, int Next, int Token);
}
