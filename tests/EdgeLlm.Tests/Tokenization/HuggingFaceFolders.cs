using System.Buffers.Binary;
using System.Text.Json;
using EdgeLlm.Tokenization;

namespace EdgeLlm.Tests.Tokenization;

/// <summary>Tokenizer data out of the files of `../shared/golden/hf-tokenizers`, as much as those small vocabularies need.</summary>
internal static class HuggingFaceFolders
{
    public static TokenizerData BytePair(string folder, string pre)
    {
        using JsonDocument json = JsonDocument.Parse(Read(folder, "tokenizer.json"));
        (string[] tokens, int[] types) = Vocabulary(json.RootElement);
        IEnumerable<JsonElement> merges = json.RootElement.GetProperty("model").GetProperty("merges").EnumerateArray();
        return new TokenizerData
        {
            Model = "gpt2",
            Pre = pre,
            Tokens = Utf8Strings.From(tokens),
            TokenTypes = types,
            Merges = Utf8Strings.From([.. merges.Select(merge => $"{merge[0]} {merge[1]}")]),
            BosId = Array.IndexOf(tokens, "<|begin_of_text|>"),
            AddBos = tokens.Contains("<|begin_of_text|>"),
        };
    }

    public static TokenizerData WordPiece(string folder)
    {
        using JsonDocument json = JsonDocument.Parse(Read(folder, "tokenizer.json"));
        (string[] tokens, int[] types) = Vocabulary(json.RootElement);
        return new TokenizerData
        {
            Model = "bert",
            // As llama.cpp's converter: a token that starts a word is marked, one that continues it loses its ##.
            Tokens = Utf8Strings.From([.. tokens.Select((token, id) => types[id] == 3 ? token : Marked(token))]),
            TokenTypes = types,
            UnknownId = Array.IndexOf(tokens, "[UNK]"),
            ClsId = Array.IndexOf(tokens, "[CLS]"),
            BosId = Array.IndexOf(tokens, "[CLS]"),
            SeparatorId = Array.IndexOf(tokens, "[SEP]"),
        };

        static string Marked(string token) => token.StartsWith("##", StringComparison.Ordinal) ? token[2..] : "▁" + token;
    }

    /// <summary>A `tokenizer.model`: a protobuf message of pieces and of the normalizer's settings.</summary>
    public static TokenizerData SentencePiece(string folder, string model)
    {
        Utf8Strings tokens = new();
        List<float> scores = [];
        List<int> types = [];
        TokenizerData data = new() { Model = model, Tokens = tokens, BosId = 1, EosId = 2, UnknownId = 0, AddBos = true, AddEos = false };
        foreach ((int field, byte[] message) in Fields(Read(folder, "tokenizer.model")))
        {
            Dictionary<int, byte[]> parts = field is 1 or 3 ? Fields(message).ToDictionary(part => part.Field, part => part.Value) : [];
            if (field == 1)
            {
                tokens.Add(parts[1]);
                scores.Add(parts.TryGetValue(2, out byte[]? score) ? BinaryPrimitives.ReadSingleLittleEndian(score) : 0);
                types.Add(parts.TryGetValue(3, out byte[]? type) ? type[0] : 1);
            }
            if (field == 3)
            {
                data = data with
                {
                    PrecompiledCharsmap = parts.GetValueOrDefault(2),
                    AddSpacePrefix = !parts.TryGetValue(3, out byte[]? addsPrefix) || addsPrefix[0] != 0,
                    RemoveExtraWhitespaces = !parts.TryGetValue(4, out byte[]? removes) || removes[0] != 0,
                };
            }
        }
        return data with { Scores = [.. scores], TokenTypes = [.. types] };
    }

    private static byte[] Read(string folder, string file) => File.ReadAllBytes(SharedFolder.Require("golden", "hf-tokenizers", folder, file));

    private static (string[] Tokens, int[] Types) Vocabulary(JsonElement root)
    {
        Dictionary<int, string> tokens = root.GetProperty("model").GetProperty("vocab").EnumerateObject()
            .ToDictionary(entry => entry.Value.GetInt32(), entry => entry.Name);
        JsonElement[] added = [.. root.GetProperty("added_tokens").EnumerateArray()];
        foreach (JsonElement token in added) tokens[token.GetProperty("id").GetInt32()] = token.GetProperty("content").GetString()!;
        int[] types = new int[tokens.Count];
        Array.Fill(types, 1);
        foreach (JsonElement token in added) types[token.GetProperty("id").GetInt32()] = token.GetProperty("special").GetBoolean() ? 3 : 4;
        return ([.. tokens.OrderBy(token => token.Key).Select(token => token.Value)], types);
    }

    private static IEnumerable<(int Field, byte[] Value)> Fields(byte[] message)
    {
        for (int position = 0; position < message.Length;)
        {
            ulong key = Varint(message, ref position);
            int start = position;
            switch (key & 7)
            {
                case 0: Varint(message, ref position); break;
                case 1: position += 8; break;
                case 2:
                    int length = (int)Varint(message, ref position);
                    start = position;
                    position += length;
                    break;
                default: position += 4; break;
            }
            yield return ((int)(key >> 3), message[start..position]);
        }
    }

    private static ulong Varint(byte[] message, ref int position)
    {
        ulong value = 0;
        for (int shift = 0; ; shift += 7)
        {
            byte next = message[position++];
            value |= (ulong)(next & 0x7F) << shift;
            if (next < 0x80) return value;
        }
    }
}
