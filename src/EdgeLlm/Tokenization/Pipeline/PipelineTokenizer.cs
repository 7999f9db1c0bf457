using System.Buffers;
using System.Runtime.InteropServices;

namespace EdgeLlm.Tokenization.Pipeline;

/// <summary>
/// A tokenizer of Hugging Face's tokenizer.json: added tokens are taken out of the text, what is left is normalized, cut into pieces step
/// by step, and each piece is written in tokens. The order and the rules are those of https://github.com/huggingface/tokenizers.
/// </summary>
internal sealed class PipelineTokenizer : Tokenizer
{
    private readonly TokenizerPipeline _pipeline;
    private readonly AddedTokens _tokensOfText;
    private readonly AddedTokens _tokensOfNormalized;
    private readonly PieceModel _model;

    public PipelineTokenizer(Vocabulary vocabulary, TokenizerPipeline pipeline)
        : base(vocabulary, new Defaults())
    {
        _pipeline = pipeline;
        foreach (int id in pipeline.AddedTokens.Select(token => token.Id).Concat(pipeline.Before).Concat(pipeline.After)
            .Concat(pipeline.Pair.Select(item => item.Token).Where(id => id >= 0)).Append(pipeline.UnknownId ?? 0))
        {
            if ((uint)id >= (uint)vocabulary.Count)
                throw new TokenizerException($"edgellm.tokenizer.pipeline names the token {id}, and there are {vocabulary.Count}");
        }
        _tokensOfText = new AddedTokens(vocabulary, pipeline.AddedTokens.Where(token => !token.IsNormalized), normalize: null);
        _tokensOfNormalized =
            new AddedTokens(vocabulary, pipeline.AddedTokens.Where(token => token.IsNormalized), text => Normalize(text).ToArray());
        _model = pipeline.Model switch
        {
            PieceModelKind.BytePair => new BytePairModel(vocabulary, pipeline),
            PieceModelKind.Unigram => new UnigramPieceModel(vocabulary, pipeline),
            _ => new WordPieceModel(vocabulary,
                pipeline.UnknownId ?? throw new TokenizerException("there is no unknown token, which WordPiece needs"),
                pipeline.LongestWord),
        };
    }

    private protected override bool HasSpacePrefix => _pipeline.Decoder.DropsFirstSpace || _pipeline.Decoder.JoinsWords;

    private protected override bool SpacesSpecial => _pipeline.Decoder.JoinsWords;

    private protected override IReadOnlyList<int> Before => _pipeline.Before;

    private protected override IReadOnlyList<int> After => _pipeline.After;

    private protected override IReadOnlyList<PairItem> PairTemplate => _pipeline.Pair;

    private protected override void EncodeAll(ReadOnlySpan<byte> text, bool parseSpecial,
        ReadOnlySpan<(int Start, int End)> literals, List<int> output)
    {
        foreach (SpecialTokens.Fragment fragment in CollectionsMarshal.AsSpan(_tokensOfText.Split(text, parseSpecial, literals)))
        {
            if (fragment.Token >= 0)
            {
                output.Add(fragment.Token);
                continue;
            }
            ReadOnlySpan<byte> part = text.Slice(fragment.Start, fragment.Length), normalized = Normalize(part);
            // Places in a text that normalization changed are not known: then nothing of a part that a user typed in can be a token.
            var local = new List<(int, int)>();
            foreach ((int start, int end) in literals)
            {
                if (start >= fragment.Start + fragment.Length || end <= fragment.Start) continue;
                local.Add(normalized.SequenceEqual(part) ? (start - fragment.Start, end - fragment.Start) : (0, normalized.Length));
            }
            foreach (SpecialTokens.Fragment piece in CollectionsMarshal.AsSpan(
                _tokensOfNormalized.Split(normalized, parseSpecial, CollectionsMarshal.AsSpan(local))))
            {
                if (piece.Token >= 0) output.Add(piece.Token);
                else EncodeText(normalized.Slice(piece.Start, piece.Length), fragment.Start == 0 && piece.Start == 0, output);
            }
        }
    }

    private protected override void EncodeText(ReadOnlySpan<byte> text, bool atStart, List<int> output)
    {
        Pieces pieces = new(text, atStart);
        foreach (PieceStep step in _pipeline.Steps) step.Apply(ref pieces);
        foreach (Piece piece in pieces.Items) _model.Encode(pieces.Text[piece.Start..piece.End], output);
    }

    private protected override void DecodeText(ReadOnlySpan<byte> token, IBufferWriter<byte> output)
    {
        if (_pipeline.Decoder is { JoinsWords: false } plain) plain.Write(token, output);
        else WordPieceTokenizer.DecodeWord(token, _pipeline.Decoder.CleansUpSpaces, output);
    }

    private protected override void DecodeAdded(ReadOnlySpan<byte> token, IBufferWriter<byte> output)
    {
        if (_pipeline.Decoder.JoinsWords) output.Write(token);
        else _pipeline.Decoder.Write(token, output);
    }

    private ReadOnlySpan<byte> Normalize(ReadOnlySpan<byte> text)
    {
        foreach (Normalizer normalizer in _pipeline.Normalizers)
        {
            ArrayBufferWriter<byte> output = new(text.Length + 16);
            normalizer.Apply(text, output);
            text = output.WrittenSpan;
        }
        return text;
    }
}
