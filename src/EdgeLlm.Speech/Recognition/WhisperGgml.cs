using System.Buffers.Binary;
using System.Text;
using EdgeLlm.Gguf;
using EdgeLlm.Kernels.Formats;
using EdgeLlm.Tokenization;

namespace EdgeLlm.Speech.Recognition;

/// <summary>
/// A model file of whisper.cpp (`ggml-tiny.en.bin`) under GGUF's keys and names: tensors stay in the file. Format: whisper.cpp,
/// models/convert-pt-to-ggml.py and whisper_model_load. Everything in the header is checked.
/// </summary>
internal sealed class WhisperGgml
{
    private const uint Magic = 0x67676d6c;
    private const int MostVocabulary = 1 << 20, MostTokenBytes = 1 << 12, MostTensors = 1 << 16, MostNameBytes = 256,
        EnglishVocabulary = 51864;
    private const long MostMergeWork = 1 << 26; // the sum of the tokens' squared lengths: of Whisper's own about 3 million

    private readonly MappedFile _map;
    private long _at;

    private WhisperGgml(MappedFile map) => _map = map;

    /// <summary>Whether a file begins as one of these does.</summary>
    public static bool IsGgml(string path)
    {
        using FileStream file = Files.InputFile.Open(path);
        Span<byte> start = stackalloc byte[sizeof(uint)];
        return file.ReadAtLeast(start, start.Length, throwOnEndOfStream: false) == start.Length
            && BinaryPrimitives.ReadUInt32LittleEndian(start) == Magic;
    }

    /// <exception cref="ModelException">The file is damaged or cut short.</exception>
    public static GgufFile Map(string path)
    {
        MappedFile map = MappedFile.Open(path);
        try
        {
            return new WhisperGgml(map).Read();
        }
        catch
        {
            map.Dispose();
            throw;
        }
    }

    private GgufFile Read()
    {
        if ((uint)Integer() != Magic) throw Error("is no ggml file");
        string[] names = ["vocabulary", "positions of the encoder", "width of the encoder", "heads of the encoder", "layers of the encoder",
            "positions of the decoder", "width of the decoder", "heads of the decoder", "layers of the decoder", "bands"];
        int[] sizes =
            [.. names.Select(name => Integer() is var size && size is >= 1 and <= MostVocabulary ? size
                : throw Error($"has {size} for its {name}"))];
        Integer(); // the type of most tensors; each tells its own
        if (sizes[2] != sizes[6]) throw Error($"has an encoder {sizes[2]} wide and a decoder {sizes[6]} wide");
        Skip(
            // they follow from the number of bands
            checked((long)Between("mel filter", 1, 1024) * Between("mel filter", 1, 1 << 16) * sizeof(float)));
        (List<(string, GgufValue)> tokenizer, Tokenizer made, SpecialIds ids) = ReadVocabulary(sizes[0]);
        var config = new WhisperConfig
        {
            Vocabulary = sizes[0],
            Width = sizes[2],
            Bands = sizes[9],
            EncoderLayers = sizes[4],
            EncoderHeads = sizes[3],
            EncoderFeedForward = 4 * sizes[2],
            EncoderPositions = sizes[1],
            DecoderLayers = sizes[8],
            DecoderHeads = sizes[7],
            DecoderFeedForward = 4 * sizes[6],
            DecoderPositions = sizes[5],
            Suppressed = NonSpeechTokens(made, ids),
            SuppressedFirst = [.. made.Encode(" "), ids.End],
        };
        var keys = new OrderedDictionary<string, GgufValue>
        {
            ["general.architecture"] = GgufValue.Of(WhisperConfig.Architecture),
            ["general.type"] = GgufValue.Of("model"),
            ["general.name"] = GgufValue.Of(Path.GetFileNameWithoutExtension(_map.Path)),
        };
        foreach ((string key, GgufValue value) in config.Keys().Concat(tokenizer)) keys[key] = value;
        config = WhisperConfig.Of(new GgufFile(_map.Path, keys, [], [])); // what is out of range is refused before tensors are made of it
        return new GgufFile(_map.Path, keys, ReadTensors(config), [_map]);
    }

    private (List<(string Key, GgufValue Value)> Keys, Tokenizer Tokenizer, SpecialIds Ids) ReadVocabulary(int vocabulary)
    {
        int count = Between("token", 256, vocabulary);
        var texts = new List<byte[]>(count);
        long work = 0; // finding a token's merges takes the square of its length
        for (int i = 0; i < count; i++)
        {
            texts.Add(Bytes(Between("byte of a token", 0, MostTokenBytes)).ToArray());
            work += (long)texts[i].Length * texts[i].Length;
            if (work > MostMergeWork) throw Error($"has too many long tokens: the one at byte {_at - texts[i].Length} is one too many");
        }
        var ids = new SpecialIds(vocabulary);
        if (ids.NoTimestamps >= vocabulary) throw Error($"has {vocabulary} tokens, too few for those that steer Whisper");
        int merged = Math.Min(count, ids.End); // what is a special token is none of the vocabulary's
        if (texts.Count > merged) texts.RemoveRange(merged, texts.Count - merged);
        var tokens = new List<string>();
        var types = new List<int>();
        foreach (byte[] text in texts) Add(Letters(text), TokenType.Normal);
        while (tokens.Count < ids.End) Add($"<|extra_{tokens.Count}|>", TokenType.Unused);
        foreach (string special in ids.Names) Add(special, TokenType.Control);
        List<string> merges = Merges(texts);
        List<(string, GgufValue)> keys =
        [
            ("tokenizer.ggml.model", GgufValue.Of("gpt2")), ("tokenizer.ggml.pre", GgufValue.Of("gpt-2")),
            ("tokenizer.ggml.tokens", GgufValue.OfArray(tokens)), ("tokenizer.ggml.token_type", GgufValue.OfArray<int>([.. types])),
            ("tokenizer.ggml.merges", GgufValue.OfArray(merges)), ("tokenizer.ggml.eos_token_id", GgufValue.Of((uint)ids.End)),
            ("tokenizer.ggml.add_bos_token", GgufValue.Of(false)), ("tokenizer.ggml.add_eos_token", GgufValue.Of(false)),
        ];
        var metadata = new OrderedDictionary<string, GgufValue>();
        foreach ((string key, GgufValue value) in keys) metadata[key] = value;
        return (keys, Models.ModelLoader.MakeTokenizer(new GgufFile(_map.Path, metadata, [], [])), ids);

        void Add(string text, TokenType type)
        {
            tokens.Add(text);
            types.Add((int)type);
        }
    }

    /// <summary>
    /// The pairs that make each token: the file has none, but its tokens are in the order in which they are merged, so a token's last merge
    /// is that of the two that the tokens before it leave of its bytes (as transformers converts tiktoken's files).
    /// </summary>
    private static List<string> Merges(List<byte[]> tokens)
    {
        var ranks = new Dictionary<string, int>(tokens.Count);
        string[] letters = [.. tokens.Select(Letters)];
        for (int i = 0; i < letters.Length; i++) ranks.TryAdd(letters[i], i);
        var merges = new List<string>();
        for (int id = 0; id < letters.Length; id++)
        {
            if (letters[id].Length < 2) continue;
            List<string> parts = [.. letters[id].Select(letter => letter.ToString())];
            while (parts.Count > 2)
            {
                (int rank, int at) = (int.MaxValue, -1);
                for (int i = 0; i + 1 < parts.Count; i++)
                {
                    if (ranks.TryGetValue(parts[i] + parts[i + 1], out int found) && found < rank) (rank, at) = (found, i);
                }
                if (at < 0 || rank >= id) break;
                parts[at] += parts[at + 1];
                parts.RemoveAt(at + 1);
            }
            if (parts.Count == 2) merges.Add(parts[0] + " " + parts[1]);
        }
        return merges;
    }

    private static string Letters(byte[] bytes)
    {
        byte[] letters = new byte[ByteLetters.MaximumLength * bytes.Length];
        return Encoding.UTF8.GetString(letters, 0, ByteLetters.Write(bytes, letters));
    }

    /// <summary>
    /// Tokens that openai/whisper suppresses by default: notes, brackets and other marks that are not spoken, and the tokens that steer.
    /// </summary>
    private static int[] NonSpeechTokens(Tokenizer tokenizer, SpecialIds ids)
    {
        const string Marks = "\"#()*+/:;<=>@[\\]^_`{|}~「」『』", Notes = "♩♪♫♬♭♮♯";
        string[] pairs = [.. "<< >> <<< >>> -- --- -( -[ (' (\" (( )) ((( ))) [[ ]] {{ }} ♪♪ ♪♪♪".Split(' ')];
        SortedSet<int> found = [tokenizer.Encode(" -")[0], tokenizer.Encode(" '")[0], ids.Transcribe, ids.Translate, ids.Start,
            ids.Previous, ids.StartOfModel, ids.NoSpeech];
        foreach (string mark in Marks.Select(mark => mark.ToString()).Concat(pairs).Concat(Notes.Select(note => note.ToString())))
        {
            foreach (string text in new[] { mark, " " + mark })
            {
                if (tokenizer.Encode(text) is { Length: > 0 } encoded
                    && (encoded.Length == 1 || Notes.Contains(mark, StringComparison.Ordinal)))
                    found.Add(encoded[0]);
            }
        }
        return [.. found];
    }

    private OrderedDictionary<string, GgufTensor> ReadTensors(WhisperConfig config)
    {
        var wanted = WhisperTensors.Of(config).ToDictionary(tensor => tensor.Ggml);
        var found = new Dictionary<string, GgufTensor>();
        while (_at < _map.Length)
        {
            if (found.Count == MostTensors) throw Error($"has more than {MostTensors} tensors");
            int dimensions = Between("dimension", 1, 4), nameBytes = Between("byte of a name", 1, MostNameBytes);
            uint type = (uint)Integer();
            long[] shape = [.. Enumerable.Range(0, dimensions).Select(_ => (long)Between("number of a row", 1, 1 << 30))];
            string name = Encoding.UTF8.GetString(Bytes(nameBytes));
            string shown = HuggingFace.FolderFile.Printable(name);
            if (!wanted.TryGetValue(name, out SpeechTensor? tensor)) throw Error($"has the tensor {shown}, which Whisper doesn't have");
            if (!ElementFormat.TryGet((ElementType)type, out ElementFormat? format))
                throw Error($"has tensor {shown} in the type {type}, which is not known here");
            if (shape.Aggregate(1.0, (product, size) => product * size) != tensor.Count)
                throw Error(
                    $"has tensor {shown} of the shape [{string.Join(", ", shape)}], expected "
                        + $"[{string.Join(", ", tensor.Shape.Reverse())}]");
            if (shape[0] % format.ValuesPerBlock != 0)
                throw Error($"has tensor {shown} with rows of {shape[0]}, not whole blocks of {format.Name}");
            long bytes = ElementFormat.ByteCount((ElementType)type, shape[0]) * (tensor.Count / shape[0]), offset = _at;
            Skip(bytes);
            if (!found.TryAdd(tensor.Name, View(tensor, (ElementType)type, shape, offset, bytes))) throw Error($"has tensor {shown} twice");
        }
        var ordered = new OrderedDictionary<string, GgufTensor>();
        foreach (SpeechTensor tensor in wanted.Values)
            ordered.Add(tensor.Name, found.TryGetValue(tensor.Name, out GgufTensor? there) ? there
                : throw Error($"has no tensor {tensor.Ggml}: it is cut short"));
        return ordered;
    }

    private GgufTensor View(SpeechTensor tensor, ElementType type, long[] shape, long offset, long bytes)
    {
        if (!tensor.IsVector || type == ElementType.F32 && offset % sizeof(float) == 0)
            return new GgufTensor(tensor.Name, tensor.IsVector ? [tensor.Count] : shape, type, offset, bytes, 0);
        float[] numbers = GC.AllocateArray<float>((int)tensor.Count, pinned: true);
        Dequantizer.ToFloat(type, _map.Span(offset, checked((int)bytes)), numbers);
        return new GgufTensor(tensor.Name, [tensor.Count], ElementType.F32, offset, sizeof(float) * tensor.Count, 0)
        {
            Converted = numbers,
        };
    }

    private int Integer() => BinaryPrimitives.ReadInt32LittleEndian(Bytes(sizeof(int)));

    private int Between(string what, int least, int most) =>
        Integer() is var number && number >= least && number <= most ? number
            : throw Error($"has {number} for a {what} at byte {_at - sizeof(int)}");

    private ReadOnlySpan<byte> Bytes(int count)
    {
        long at = _at;
        Skip(count);
        return _map.Span(at, count);
    }

    private void Skip(long count)
    {
        if (count < 0 || count > _map.Length - _at)
            throw Error($"is cut short: it ends at byte {_map.Length}, and {count} bytes more belong there from {_at} on");
        _at += count;
    }

    private ModelException Error(string problem) => new(_map.Path, problem);

    /// <summary>The ids after the vocabulary, which follow from how many tokens there are.</summary>
    private sealed class SpecialIds
    {
        public SpecialIds(int vocabulary)
        {
            bool isMultilingual = vocabulary > EnglishVocabulary;
            int languages = isMultilingual ? vocabulary - EnglishVocabulary - 1 + 99 : 99;
            End = isMultilingual ? 50257 : 50256;
            Names = ["<|endoftext|>", "<|startoftranscript|>",
                .. Enumerable.Range(0, Math.Clamp(languages, 99, LanguageNames.Codes.Count)).Select(i => $"<|{LanguageNames.Codes[i]}|>"),
                "<|translate|>", "<|transcribe|>", "<|startoflm|>", "<|startofprev|>", "<|nospeech|>", "<|notimestamps|>"];
            NoTimestamps = End + Names.Count - 1;
        }

        public IReadOnlyList<string> Names { get; }

        public int End { get; }

        public int Start => End + 1;

        public int NoTimestamps { get; }

        public int NoSpeech => NoTimestamps - 1;

        public int Previous => NoTimestamps - 2;

        public int StartOfModel => NoTimestamps - 3;

        public int Transcribe => NoTimestamps - 4;

        public int Translate => NoTimestamps - 5;
    }
}
