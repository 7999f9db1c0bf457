using System.Buffers;
using System.Text.Json;

namespace EdgeLlm.Assistant.Wyoming;

/// <summary>
/// Events over a stream of bytes: a header of one line of JSON, then as many bytes of data (a JSON object) and of payload as it says. A
/// line and a block may come in any pieces. One reader at a time; events are written whole, whoever writes.
/// </summary>
internal sealed class WyomingConnection(Stream stream, WyomingLimits limits)
{
    private const int MostDepth = 16;
    private const string Version = "1.9.0"; // of the Python library whose events these are

    private static readonly JsonDocumentOptions Strict = new() { MaxDepth = MostDepth };

    private readonly byte[] buffer = new byte[limits.HeaderBytes + 1];
    private readonly SemaphoreSlim writing = new(1);
    private int start, end;

    /// <summary>The next event; null where the peer has closed between two events.</summary>
    /// <param name="isBusy">Whether the peer waits for this side just now: then its silence is not a fault.</param>
    /// <exception cref="WyomingException">It is malformed, or too large.</exception>
    /// <exception cref="EndOfStreamException">The peer closed within an event.</exception>
    /// <exception cref="TimeoutException">The peer was silent for too long.</exception>
    public async Task<WyomingEvent?> ReadAsync(Func<bool> isBusy, CancellationToken cancellation)
    {
        while (end == start)
        {
            using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
            patience.CancelAfter(limits.Silence);
            try
            {
                if (!await FillAsync(patience.Token).ConfigureAwait(false)) return null;
            }
            catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
            {
                if (!isBusy()) throw Silent();
            }
        }
        using var watch = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        watch.CancelAfter(limits.Silence); // from the event's first byte
        try
        {
            return await ReadEventAsync(watch.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            throw Silent();
        }
    }

    /// <summary>Writes an event.</summary>
    /// <param name="type">What it is.</param>
    /// <param name="data">Writes its fields; null: none.</param>
    /// <param name="payload">Bytes, of sound most often.</param>
    /// <exception cref="IOException">The peer is gone.</exception>
    public async Task WriteAsync(string type, Action<Utf8JsonWriter>? data, CancellationToken cancellation,
        ReadOnlyMemory<byte> payload = default)
    {
        var block = new ArrayBufferWriter<byte>();
        if (data is not null)
        {
            using var json = new Utf8JsonWriter(block);
            json.WriteStartObject();
            data(json);
            json.WriteEndObject();
        }
        var message = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(message))
        {
            json.WriteStartObject();
            json.WriteString("type", type);
            json.WriteString("version", Version);
            if (block.WrittenCount > 0) json.WriteNumber("data_length", block.WrittenCount);
            if (payload.Length > 0) json.WriteNumber("payload_length", payload.Length);
            json.WriteEndObject();
        }
        message.Write("\n"u8);
        message.Write(block.WrittenSpan);
        message.Write(payload.Span);
        await writing.WaitAsync(cancellation).ConfigureAwait(false);
        try
        {
            using var watch = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
            watch.CancelAfter(limits.Silence); // a peer that does not read
            await stream.WriteAsync(message.WrittenMemory, watch.Token).ConfigureAwait(false);
            await stream.FlushAsync(watch.Token).ConfigureAwait(false);
        }
        finally
        {
            writing.Release();
        }
    }

    private TimeoutException Silent() => new($"nothing came for {limits.Silence.TotalSeconds:0} s");

    private async Task<WyomingEvent> ReadEventAsync(CancellationToken cancellation)
    {
        int length;
        while ((length = buffer.AsSpan(start, end - start).IndexOf((byte)'\n')) < 0)
        {
            if (end - start > limits.HeaderBytes) throw new WyomingException($"a header has more than {limits.HeaderBytes} bytes");
            if (!await FillAsync(cancellation).ConfigureAwait(false)) throw new EndOfStreamException();
        }
        (string type, Dictionary<string, JsonElement> data, int dataBytes, int payloadBytes) = ParseHeader(buffer.AsMemory(start, length));
        start += length + 1;
        if (dataBytes > 0)
        {
            byte[] block = await TakeAsync(dataBytes, cancellation).ConfigureAwait(false);
            Add(Parse(block, "the data"), data, "the data");
        }
        return new WyomingEvent(type, data,
            payloadBytes == 0 ? default : await TakeAsync(payloadBytes, cancellation).ConfigureAwait(false));
    }

    private (string Type, Dictionary<string, JsonElement> Data, int DataBytes, int PayloadBytes) ParseHeader(ReadOnlyMemory<byte> line)
    {
        JsonElement header = Parse(line, "a header");
        if (header.ValueKind != JsonValueKind.Object) throw new WyomingException("a header must be a JSON object");
        if (!header.TryGetProperty("type", out JsonElement type) || type.ValueKind != JsonValueKind.String)
            throw new WyomingException("a header must have a 'type'");
        var data = new Dictionary<string, JsonElement>();
        if (header.TryGetProperty("data", out JsonElement given)) Add(given, data, "'data'");
        return (type.GetString()!, data, Length("data_length"), Length("payload_length"));

        int Length(string name)
        {
            if (!header.TryGetProperty(name, out JsonElement value) || value.ValueKind == JsonValueKind.Null) return 0;
            if (value.ValueKind != JsonValueKind.Number || !value.TryGetInt64(out long bytes) || bytes < 0)
                throw new WyomingException($"'{name}' must be a whole number");
            return bytes <= limits.BlockBytes ? (int)bytes
                : throw new WyomingException($"'{name}' is {bytes}; at most {limits.BlockBytes} bytes are taken");
        }
    }

    private static void Add(JsonElement given, Dictionary<string, JsonElement> data, string name)
    {
        if (given.ValueKind == JsonValueKind.Null) return;
        if (given.ValueKind != JsonValueKind.Object) throw new WyomingException($"{name} must be a JSON object");
        foreach (JsonProperty field in given.EnumerateObject()) data[field.Name] = field.Value;
    }

    /// <summary>JSON that outlives the buffer.</summary>
    private static JsonElement Parse(ReadOnlyMemory<byte> bytes, string name)
    {
        try
        {
            using JsonDocument json = JsonDocument.Parse(bytes, Strict);
            return json.RootElement.Clone();
        }
        catch (JsonException)
        {
            throw new WyomingException($"{name} must be JSON");
        }
        catch (InvalidOperationException)
        {
            throw new WyomingException($"{name} must be JSON in UTF-8");
        }
    }

    private async Task<byte[]> TakeAsync(int count, CancellationToken cancellation)
    {
        byte[] block = new byte[count];
        int held = Math.Min(count, end - start);
        buffer.AsSpan(start, held).CopyTo(block);
        start += held;
        await stream.ReadExactlyAsync(block.AsMemory(held), cancellation).ConfigureAwait(false);
        return block;
    }

    private async Task<bool> FillAsync(CancellationToken cancellation)
    {
        buffer.AsSpan(start, end - start).CopyTo(buffer);
        (start, end) = (0, end - start);
        int got = await stream.ReadAsync(buffer.AsMemory(end), cancellation).ConfigureAwait(false);
        end += got;
        return got > 0;
    }
}
