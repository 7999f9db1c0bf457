using System.Text.Json;

namespace EdgeLlm.Tools.NuGetClients;

/// <summary>Where the service is and the key that opens it.</summary>
internal sealed record Service(Uri Address, string Key)
{
    /// <summary>The model that answers.</summary>
    public const string Model = "SmolLM2-135M-Instruct";

    /// <summary>Width of its vectors.</summary>
    public const int Width = 576;

    /// <summary>A question for plain answers.</summary>
    public const string Question = "Why is the sky blue?";

    /// <summary>A question for tools and forms.</summary>
    public const string Weather = "What is the weather in Paris?";

    /// <summary>Schema of the tool's arguments, and of the structured answer.</summary>
    public const string Schema =
        """{"type":"object","properties":{"city":{"type":"string","maxLength":20}},"required":["city"],"additionalProperties":false}""";

    /// <summary>A picture of one pixel, as PNG.</summary>
    public static readonly byte[] Picture =
        Convert.FromBase64String("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==");

    /// <summary>The base of OpenAI's API.</summary>
    public Uri OpenAi => new(Address, "/v1");
}

/// <summary>A feature of a client, and what tries it.</summary>
internal sealed record Cell(string Client, string Feature, Func<Task> Run);

/// <summary>What cells expect.</summary>
internal static class Expect
{
    /// <summary>A condition.</summary>
    public static void True(bool condition, string problem)
    {
        if (!condition) throw new InvalidOperationException(problem);
    }

    /// <summary>A text with words.</summary>
    public static void Text(string? text) => True(text?.Trim().Length > 3, $"no text: '{text}'");

    /// <summary>An object with a city, as <see cref="Service.Schema"/> says.</summary>
    public static void City(string? json) =>
        True(JsonDocument.Parse(json ?? "").RootElement.GetProperty("city").ValueKind == JsonValueKind.String, $"no city: {json}");

    /// <summary>A stream of at least two pieces whose text has words.</summary>
    /// <returns>The text.</returns>
    public static async Task<string> StreamAsync<T>(IAsyncEnumerable<T> stream, Func<T, string?> read)
    {
        string text = "";
        int count = 0;
        await foreach (T piece in stream)
        {
            text += read(piece);
            count++;
        }
        True(count > 1, "it came at once");
        Text(text);
        return text;
    }

    /// <summary>A long stream that is left after its first piece; the next answer is there soon.</summary>
    public static async Task AbandonAsync<T>(Func<CancellationToken, IAsyncEnumerable<T>> begin, Func<Task> next)
    {
        using var abort = new CancellationTokenSource();
        int pieces = 0;
        try
        {
            await foreach (T _ in begin(abort.Token))
            {
                pieces++;
                await abort.CancelAsync();
            }
        }
        catch (OperationCanceledException)
        {
        }
        // some clients end such a stream without an error, and give what they had read
        True(pieces is > 0 and < 200, $"{pieces} pieces came");
        await next().WaitAsync(TimeSpan.FromMinutes(1));
    }

    /// <summary>An error that says one of the words.</summary>
    public static async Task RefusedAsync(Func<Task> run, params string[] words)
    {
        try
        {
            await run();
        }
#pragma warning disable CA1031 // each client has its own
        catch (Exception exception)
        {
            string said = exception.ToString();
            True(words.Any(word => said.Contains(word, StringComparison.OrdinalIgnoreCase)), said);
            return;
        }
#pragma warning restore CA1031
        True(false, "it was taken");
    }
}
