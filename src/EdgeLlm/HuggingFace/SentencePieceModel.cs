using System.Buffers.Binary;
using System.Text;
using EdgeLlm.Tokenization;

namespace EdgeLlm.HuggingFace;

/// <summary>
/// A tokenizer.model: SentencePiece's ModelProto (sentencepiece_model.proto), a protobuf message of pieces (field 1), the trainer's
/// settings (2) and the normalizer's (3).
/// </summary>
internal sealed class SentencePieceModel
{
    private const int MostBytes = 64 << 20;
    private const int Unigram = 1, BytePair = 2;

    private readonly List<string> _notes = [];
    private readonly Dictionary<int, long> _ids =
        new() { [40] = 0, [41] = 1, [42] = 2, [43] = -1 }; // TrainerSpec's unk_id, bos_id, eos_id, pad_id
    private long _kind; // 0: no trainer's settings were found
    private byte[] _charsmap = [];
    private bool _marksStart = true, _mergesSpaces = true;

    public SentencePieceModel(string file, int rows)
    {
        File = file;
        Table = new VocabularyTable(file, rows);
        byte[] bytes = FolderFile.Read(file, MostBytes);
        int pieces = 0;
        foreach ((int field, ReadOnlyMemory<byte> message, _) in Fields(bytes))
        {
            if (field == 1) ReadPiece(message, pieces++);
            if (field == 2) ReadTrainer(message);
            if (field == 3) ReadNormalizer(message);
        }
        if (pieces == 0) throw new ModelException(file, "has no pieces: it is no SentencePiece model");
        if (_kind == 0) throw new ModelException(file, "has no trainer's settings behind its pieces: it is cut short");
        if (_kind is not (Unigram or BytePair))
            throw new ModelException(file, $"is of SentencePiece's type {_kind}; unigram (1) and bpe (2) are known here");
        if (_kind == BytePair && _charsmap.Length > 0)
            _notes.Add($"{file}: normalizes text before it is tokenized; with SentencePiece's bpe a GGUF file can't say so");
        if (_kind == BytePair && _mergesSpaces)
            _notes.Add($"{file}: makes one space of several before it tokenizes; with SentencePiece's bpe a GGUF file can't say so");
    }

    public string File { get; }

    public VocabularyTable Table { get; }

    public IReadOnlyList<string> Notes => _notes;

    public int? BosId => Id(41);

    public int? EosId => Id(42);

    public int? PaddingId => Id(43);

    /// <summary>All but the ids of special tokens other than the unknown one.</summary>
    public TokenizerData Read() => new()
    {
        Model = _kind == BytePair ? "llama" : "t5",
        Pre = "default",
        Tokens = Table.Tokens(),
        TokenTypes = Table.Types(),
        Scores = Table.Scores(),
        UnknownId = Id(40),
        AddSpacePrefix = _marksStart,
        RemoveExtraWhitespaces = _kind == Unigram ? _mergesSpaces : null,
        PrecompiledCharsmap = _kind == Unigram && _charsmap.Length > 0 ? _charsmap : null,
    };

    private int? Id(int field) => _ids[field] is >= 0 and var id && id < Table.Count ? (int)id : null;

    private void ReadPiece(ReadOnlyMemory<byte> message, int id)
    {
        string text = "";
        float score = 0;
        var type = TokenType.Normal;
        foreach ((int field, ReadOnlyMemory<byte> value, ulong number) in Fields(message))
        {
            switch (field)
            {
                case 1:
                    if (!System.Text.Unicode.Utf8.IsValid(value.Span)) throw new ModelException(File, $"piece {id} is not valid UTF-8");
                    text = Encoding.UTF8.GetString(value.Span);
                    break;
                case 2 when value.Length == sizeof(float):
                    score = BinaryPrimitives.ReadSingleLittleEndian(value.Span);
                    if (!float.IsFinite(score)) throw new ModelException(File, $"piece {id} has a score that is not finite");
                    break;
                case 3:
                    type = number is >= (ulong)TokenType.Normal and <= (ulong)TokenType.Byte ? (TokenType)number
                        : throw new ModelException(File, $"piece {id} is of the type {number}, which is not known");
                    break;
                default:
                    break;
            }
        }
        if (text.Length == 0) throw new ModelException(File, $"piece {id} has no text");
        Table.Set(id, text, type, score);
    }

    private void ReadTrainer(ReadOnlyMemory<byte> message)
    {
        _kind = Unigram;
        foreach ((int field, _, ulong number) in Fields(message))
        {
            if (field == 3) _kind = (long)number;
            if (field == 24 && number != 0)
                throw new ModelException(File, "marks spaces at the end of words (treat_whitespace_as_suffix), which is not known here");
            if (_ids.ContainsKey(field)) _ids[field] = (long)number;
        }
    }

    private void ReadNormalizer(ReadOnlyMemory<byte> message)
    {
        foreach ((int field, ReadOnlyMemory<byte> value, ulong number) in Fields(message))
        {
            if (field == 2) _charsmap = value.ToArray();
            if (field == 3) _marksStart = number != 0;
            if (field == 4) _mergesSpaces = number != 0;
            if (field == 5 && number == 0)
                throw new ModelException(File, "leaves spaces as they are (escape_whitespaces), which is not known here");
        }
    }

    /// <summary>
    /// The fields of a protobuf message: bytes of a string, message or number of fixed size, or a number of variable size.
    /// </summary>
    private IEnumerable<(int Field, ReadOnlyMemory<byte> Bytes, ulong Number)> Fields(ReadOnlyMemory<byte> message)
    {
        for (int position = 0; position < message.Length;)
        {
            ulong key = ReadNumber(message, ref position), length;
            if (key >> 3 is 0 or > int.MaxValue) throw Damaged();
            int field = (int)(key >> 3);
            switch (key & 7)
            {
                case 0:
                    yield return (field, default, ReadNumber(message, ref position));
                    continue;
                case 1: length = 8; break;
                case 2: length = ReadNumber(message, ref position); break;
                case 5: length = 4; break;
                default: throw Damaged();
            }
            if (length > (ulong)(message.Length - position)) throw Damaged();
            yield return (field, message.Slice(position, (int)length), 0);
            position += (int)length;
        }
    }

    private ulong ReadNumber(ReadOnlyMemory<byte> message, ref int position)
    {
        ulong value = 0;
        for (int shift = 0; shift < 70 && position < message.Length; shift += 7)
        {
            byte next = message.Span[position++];
            value |= (ulong)(next & 0x7F) << shift;
            if (next < 0x80) return value;
        }
        throw Damaged();
    }

    private ModelException Damaged() => new(File, "is no SentencePiece model, or cut short");
}
