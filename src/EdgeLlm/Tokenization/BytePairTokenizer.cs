using System.Buffers;
using System.Runtime.InteropServices;

namespace EdgeLlm.Tokenization;

/// <summary>
/// BPE with a list of merges, GGUF's <c>gpt2</c>: text is split by the model's pre-tokenizer, each piece is written in GPT-2's letters
/// for bytes (or, in a few models, left as it is), and its pairs are merged in the order of the list.
/// </summary>
internal sealed class BytePairTokenizer : MergingTokenizer
{
    private readonly PreTokenizer _preTokenizer;
    private readonly MergeTable _merges;
    private readonly bool _composes;

    public BytePairTokenizer(Vocabulary vocabulary, string pre)
        : this(vocabulary, PreTokenizer.Named(pre))
    {
    }

    private BytePairTokenizer(Vocabulary vocabulary, PreTokenizer preTokenizer)
        : base(vocabulary, new Defaults { AddBos = preTokenizer.AddsBos, AddSeparator = preTokenizer.AddsSeparator })
    {
        _preTokenizer = preTokenizer;
        _composes = vocabulary.Data.Normalizer switch
        {
            null => false,
            "nfc" => true,
            var other => throw new TokenizerException($"edgellm.tokenizer.normalizer is '{other}', which is not known here"),
        };
        Utf8Strings? merges = vocabulary.Data.Merges;
        _merges = new MergeTable(merges ?? throw new TokenizerException("tokenizer.ggml.merges is missing, which a BPE needs"));
    }

    private protected override bool HasSpacePrefix => false;

    private protected override void EncodeText(ReadOnlySpan<byte> text, bool atStart, List<int> output)
    {
        if (_composes && !CanonicalComposition.IsComposed(text)) text = CanonicalComposition.Compose(text);
        byte[] buffer = [];
        if (_preTokenizer.MarksSpaces)
        {
            buffer = ArrayPool<byte>.Shared.Rent(checked(text.Length * SpaceMark.Bytes.Length));
            text = buffer.AsSpan(0, SpaceMark.Escape(text, buffer));
        }
        byte[] letters = ArrayPool<byte>.Shared.Rent(256);
        PairMerger merger = RentMerger();
        int start = 0;
        foreach (int end in CollectionsMarshal.AsSpan(_preTokenizer.Split(text)))
        {
            ReadOnlySpan<byte> piece = text[start..end];
            start = end;
            if (EncodeKnown(piece, output)) continue;
            ReadOnlySpan<byte> spelled = piece;
            if (!_preTokenizer.IsRaw)
            {
                if (letters.Length < piece.Length * ByteLetters.MaximumLength)
                {
                    ArrayPool<byte>.Shared.Return(letters);
                    letters = ArrayPool<byte>.Shared.Rent(checked(piece.Length * ByteLetters.MaximumLength));
                }
                spelled = letters.AsSpan(0, ByteLetters.Write(piece, letters));
            }
            int whole = _preTokenizer.TakesWhole(piece) ? Vocabulary.FindText(spelled) : -1;
            if (whole >= 0) output.Add(whole);
            else EncodeWord(piece, spelled, merger, output);
        }
        ReturnMerger(merger);
        ArrayPool<byte>.Shared.Return(letters);
        if (buffer.Length > 0) ArrayPool<byte>.Shared.Return(buffer);
    }

    private protected override uint Rank(ReadOnlySpan<byte> pair, int leftLength) => _merges.Rank(pair, leftLength);

    private protected override void EncodeUnknown(ReadOnlySpan<byte> piece, List<int> output)
    {
        if (_preTokenizer.IsRaw)
        {
            EncodeBytes(piece, output);
            return;
        }
        for (int i = 0, width; i < piece.Length; i += width) // the letters of a merge that is no token
        {
            width = Utf8.WidthAt(piece, i);
            int id = Vocabulary.FindText(piece.Slice(i, width));
            if (id >= 0) output.Add(id);
            else if (UnknownId is { } unknown) output.Add(unknown);
        }
    }

    private protected override void DecodeText(ReadOnlySpan<byte> token, IBufferWriter<byte> output)
    {
        if (_preTokenizer.MarksSpaces) SpaceMark.Unescape(token, output);
        else if (_preTokenizer.IsRaw) output.Write(token);
        else ByteLetters.Read(token, output);
    }
}
