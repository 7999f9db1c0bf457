using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using EdgeLlm.Chat;
using EdgeLlm.Files;

namespace EdgeLlm.Generation;

public sealed partial class ChatSession
{
    private const int MaximumHeaderBytes = 64 << 20;

    private static ReadOnlySpan<byte> FileMark => "EDGECHAT3"u8;

    /// <summary>Whether a stream begins as <see cref="Save"/> writes, in this version or another.</summary>
    internal static bool IsSaved(Stream stream)
    {
        Span<byte> mark = stackalloc byte[FileMark.Length - 1]; // the version comes last
        return stream.ReadAtLeast(mark, mark.Length, throwOnEndOfStream: false) == mark.Length && FileMark.StartsWith(mark);
    }

    /// <summary>
    /// Writes the conversation with its computed context, so that it continues elsewhere or later without computing it again. Layout: mark,
    /// key of the model and its way of computing (32 bytes), length of the JSON (int32), JSON {system, messages, tokens}, cache.
    /// </summary>
    /// <exception cref="InvalidOperationException">An answer is being given.</exception>
    public void Save(Stream stream)
    {
        using TextGenerator.AnswerTurn turn = _generator.BeginAnswer();
        stream.Write(FileMark);
        stream.Write(StateKey());
        using var json = new MemoryStream();
        using (var writer = new Utf8JsonWriter(json))
        {
            writer.WriteStartObject();
            writer.WriteString("system", System);
            writer.WriteObjects("messages", _messages, message =>
            {
                writer.WriteString("role", message.Role);
                writer.WriteString("content", message.Content);
            });
            writer.WriteArray("tokens", _generator.Context.Tokens, writer.WriteNumberValue);
            writer.WriteEndObject();
        }
        Span<byte> length = stackalloc byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(length, (int)json.Length);
        stream.Write(length);
        json.WriteTo(stream);
        _generator.Context.Memory.Save(stream);
    }

    /// <summary>Key of the model, its way of computing, and the conversation's adapters and control vectors [32 bytes].</summary>
    private byte[] StateKey()
    {
        byte[] key = Model.StateKey();
        return _generator.Context.Memory.Adaptation is { } adaptation
            ? SHA256.HashData([.. key, .. Encoding.ASCII.GetBytes(adaptation.Key)]) : key;
    }

    /// <summary>
    /// Takes up a conversation that <see cref="Save"/> wrote with the same model. Where that is not such data, or of another model, the
    /// conversation at hand stays; where it is damaged, it is gone.
    /// </summary>
    /// <exception cref="InvalidDataException">It is not such data, of another model, damaged, or longer than this context.</exception>
    /// <exception cref="InvalidOperationException">An answer is being given.</exception>
    /// <param name="stream">What was written.</param>
    /// <param name="options">How its answers are going to be made: adapters and control vectors have to be those that it was saved
    /// with.</param>
    public void Load(Stream stream, GenerationOptions? options = null)
    {
        using TextGenerator.AnswerTurn turn = _generator.BeginAnswer();
        if (options is not null) _generator.Context.Adapt(options);
        Span<byte> mark = stackalloc byte[FileMark.Length + 32 + 4];
        if (stream.ReadAtLeast(mark, mark.Length, throwOnEndOfStream: false) < mark.Length || !mark.StartsWith(FileMark))
            throw new InvalidDataException("not a conversation that was saved by this version");
        if (!mark.Slice(FileMark.Length, 32).SequenceEqual(StateKey()))
            throw new InvalidDataException("saved with another model, or another way of computing it (--kv, --lora, --control-vector)");
        int length = BinaryPrimitives.ReadInt32LittleEndian(mark[^4..]);
        if (length is < 0 or > MaximumHeaderBytes) throw new InvalidDataException("the saved conversation is damaged");
        byte[] json = new byte[length];
        if (stream.ReadAtLeast(json, length, throwOnEndOfStream: false) < length)
            throw new InvalidDataException("the saved conversation is cut off");
        Clear();
        try
        {
            using JsonDocument document = JsonDocument.Parse(json);
            JsonElement root = document.RootElement;
            string? system = root.GetProperty("system").GetString();
            ChatMessage[] messages = [.. root.GetProperty("messages").EnumerateArray().Select(item =>
                new ChatMessage(item.GetProperty("role").GetString() ?? "", item.GetProperty("content").GetString() ?? ""))];
            int[] tokens = [.. root.GetProperty("tokens").EnumerateArray().Select(item => item.GetInt32())];
            _generator.Context.Memory.Load(stream);
            if (tokens.Length != _generator.Context.Memory.Length)
                throw new InvalidDataException("the saved conversation is damaged: its tokens are not those of its cache");
            System = system;
            _messages.AddRange(messages);
            _generator.Context.Restore(tokens);
        }
        catch (Exception exception) when (exception is JsonException or KeyNotFoundException or FormatException
            or (InvalidOperationException and not ObjectDisposedException))
        {
            Clear();
            throw new InvalidDataException("the saved conversation is damaged", exception);
        }
    }
}
