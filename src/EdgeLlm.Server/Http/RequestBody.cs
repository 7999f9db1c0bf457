using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Unicode;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace EdgeLlm.Server.Http;

/// <summary>The bytes of a request, bounded, and as Unicode that every reader of JSON takes.</summary>
internal static class RequestBody
{
    /// <summary>
    /// Bytes beyond the limit that are read and dropped: a client that is cut off while it sends sees a broken pipe and not the answer.
    /// </summary>
    private const long MostDrained = 64 << 20;

    private static readonly TimeSpan LongestDrain = TimeSpan.FromSeconds(20);

    /// <summary>Reads the whole body, which is JSON.</summary>
    /// <exception cref="ApiException">It has more bytes than the service takes, or its chunks are malformed.</exception>
    public static async Task<ReadOnlyMemory<byte>> ReadAsync(HttpContext context) =>
        Repaired(await ReadBytesAsync(context, int.MaxValue).ConfigureAwait(false));

    /// <summary>Reads the whole body as it is.</summary>
    /// <param name="most">Bytes that are taken at most, where the service takes more.</param>
    /// <exception cref="ApiException">It has more bytes than that, or its chunks are malformed.</exception>
    public static async Task<byte[]> ReadBytesAsync(HttpContext context, int most)
    {
        IHttpMaxRequestBodySizeFeature size = context.Features.GetRequiredFeature<IHttpMaxRequestBodySizeFeature>();
        long limit = Math.Min(size.MaxRequestBodySize ?? int.MaxValue, most);
        if (context.Request.ContentLength > limit && context.Request.Headers.Expect.Count > 0)
            throw ApiException.TooLarge(); // it has not sent it yet
        if (!size.IsReadOnly) size.MaxRequestBodySize = limit + MostDrained;
        using var body = new MemoryStream(); // grows with what has come, not with what was announced
        byte[] buffer = ArrayPool<byte>.Shared.Rent(16 << 10);
        try
        {
            int count;
            while ((count = await context.Request.Body.ReadAsync(buffer, context.RequestAborted).ConfigureAwait(false)) > 0)
            {
                if (body.Length + count > limit)
                {
                    await DrainAsync(context, buffer).ConfigureAwait(false);
                    throw ApiException.TooLarge();
                }
                body.Write(buffer, 0, count);
            }
        }
        catch (Exception exception) when (IsMalformed(exception) && !context.RequestAborted.IsCancellationRequested)
        {
            throw new ApiException(400,
                "the request's body is malformed: its chunks have no valid sizes, what comes after them is no header, or it ends too "
                    + "early");
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
        return body.ToArray();
    }

    /// <summary>
    /// Whether reading failed for what the client sent: a size that overflows, an early end, a trailer with bytes that no header has (the
    /// web server has no exception of its own for it).
    /// </summary>
    private static bool IsMalformed(Exception exception) =>
        exception is OverflowException or InvalidOperationException or (IOException and not BadHttpRequestException);

    /// <summary>
    /// JSON with U+FFFD in the place of bytes that are not UTF-8 and of halves of surrogate pairs (`\ud83d` alone), as Go's reader, so
    /// Ollama's, has it.
    /// </summary>
    internal static byte[] Repaired(byte[] json)
    {
        if (!Utf8.IsValid(json)) json = Encoding.UTF8.GetBytes(Encoding.UTF8.GetString(json));
        for (int at = 0; at < json.Length;)
        {
            int next = json.AsSpan(at).IndexOf((byte)'\\');
            if (next < 0) break;
            at += next;
            if (EscapedUnit(json, at) is not { } unit)
            {
                at += 2; // of an escape of one character
                continue;
            }
            bool isPair = char.IsHighSurrogate(unit) && EscapedUnit(json, at + 6) is { } second && char.IsLowSurrogate(second);
            if (char.IsSurrogate(unit) && !isPair) "fffd"u8.CopyTo(json.AsSpan(at + 2));
            at += isPair ? 12 : 6;
        }
        return json;
    }

    /// <summary>The UTF-16 unit of an escape such as `\u00e9` at a position, or null where there is none.</summary>
    private static char? EscapedUnit(ReadOnlySpan<byte> json, int at) =>
        at + 6 <= json.Length && json[at] == '\\' && json[at + 1] == 'u'
        && ushort.TryParse(json.Slice(at + 2, 4), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out ushort unit)
        ? (char)unit : null;

    private static async Task DrainAsync(HttpContext context, byte[] buffer)
    {
        using var end = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted);
        end.CancelAfter(LongestDrain);
        try
        {
            while (await context.Request.Body.ReadAsync(buffer, end.Token).ConfigureAwait(false) > 0) { }
        }
        catch (Exception exception) when (exception is OperationCanceledException or BadHttpRequestException || IsMalformed(exception))
        {
            // Longer than is waited for: the client may not see why it is cut off.
        }
    }
}
