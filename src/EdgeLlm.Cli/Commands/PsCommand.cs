using System.CommandLine;
using System.Net;
using System.Text.Json;
using EdgeLlm.Cli.Output;
using EdgeLlm.Server.Settings;

namespace EdgeLlm.Cli.Commands;

/// <summary>`edgellm ps`: what a running service has loaded, as its `/api/ps` says.</summary>
internal static class PsCommand
{
    private const int MostBytes = 1 << 20;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    private static readonly Option<string?> Service = new("--service")
    {
        Description =
            "Where the service listens (default: what its settings say, else 127.0.0.1:11434). With an API key it takes "
                + "EDGELLM_API_KEY, too",
        HelpName = "ADDRESS",
    };

    private static readonly Option<bool> Json = new("--json") { Description = "Print the service's answer: JSON; sizes in bytes" };

    public static Command Create()
    {
        var command = new Command("ps", "Show what a running service (edgellm serve) has loaded and does.") { Service, Json };
        command.SetAction(RunAsync);
        return command;
    }

    private static async Task<int> RunAsync(ParseResult result, CancellationToken cancellation)
    {
        (Uri service, string? key) = Find(result.GetValue(Service));
        byte[] json = await AskAsync(service, key, cancellation).ConfigureAwait(false);
        using JsonDocument document = Parse(service, json);
        JsonElement[] models = [.. document.RootElement.GetProperty("models").EnumerateArray()];
        if (result.GetValue(Json)) JsonOutput.Write(writer => document.RootElement.WriteTo(writer));
        else if (models.Length == 0) Console.WriteLine($"The service at {service.Authority} is loading its model.");
        else new Report().Table(["name", "memory", "context", "now", "waiting"], models.Select(Row), 1, 2, 4);
        return ExitCode.Success;
    }

    private static string[] Row(JsonElement model) =>
    [
        Printable.Line(Text(model, "name") ?? "-", 100),
        Number(model, "size") is { } size ? Quantity.Bytes(size) : "-",
        Number(model, "context_length") is { } context ? Quantity.Count(context) : "-",
        model.TryGetProperty("computing", out JsonElement computing) && computing.ValueKind == JsonValueKind.True ? "answers" : "ready",
        Number(model, "waiting") is { } waiting ? Quantity.Count(waiting) : "-",
    ];

    private static string? Text(JsonElement of, string name) =>
        of.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    private static long? Number(JsonElement of, string name) =>
        of.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.Number
            && value.TryGetInt64(out long number) ? number : null;

    /// <summary>The address and the key, by the option or as `serve` itself finds them.</summary>
    private static (Uri Service, string? Key) Find(string? address)
    {
        ServerOptions settings;
        try
        {
            settings = SettingsReader.Read(null, Environment.GetEnvironmentVariable, new Dictionary<string, string>());
        }
        catch (Exception exception) when (address is not null && exception is InvalidDataException or IOException)
        {
            settings = new ServerOptions(); // another service than that of the settings, which need not be readable then
        }
        ListenAddress listen = settings.Listen;
        bool isSecure = settings.TlsSelf || settings.TlsCertificate is not null;
        try
        {
            string? bare = address;
            if (address is not null && Uri.TryCreate(address, UriKind.Absolute, out Uri? uri) && uri.Scheme is ("http" or "https"))
                (bare, isSecure) = (uri.Authority, uri.Scheme == "https");
            if (bare is not null) listen = ListenAddress.Parse(bare);
        }
        catch (FormatException exception)
        {
            throw new UsageException($"--service takes {exception.Message}, not '{Printable.Line(address!, 100)}'");
        }
        IPAddress host = listen.Address.Equals(IPAddress.Any) || listen.Address.Equals(IPAddress.IPv6Any)
            ? IPAddress.Loopback : listen.Address;
        return (new Uri($"{(isSecure ? "https" : "http")}://{new IPEndPoint(host, listen.Port)}"), settings.ApiKey);
    }

    private static async Task<byte[]> AskAsync(Uri service, string? key, CancellationToken cancellation)
    {
        var handler = new SocketsHttpHandler { UseProxy = false, AllowAutoRedirect = false };
        // nobody is between a machine and itself
        if (service.IsLoopback) handler.SslOptions.RemoteCertificateValidationCallback = (_, _, _, _) => true;
        using var client = new HttpClient(handler) { Timeout = Patience, MaxResponseContentBufferSize = MostBytes };
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(service, "/api/ps"));
        if (key is not null) request.Headers.Authorization = new("Bearer", key);
        try
        {
            using HttpResponseMessage response = await client.SendAsync(request, cancellation).ConfigureAwait(false);
            if (response.StatusCode == HttpStatusCode.Unauthorized)
                throw new IOException($"the service at {service.Authority} takes an API key: EDGELLM_API_KEY=KEY edgellm ps");
            if (!response.IsSuccessStatusCode)
                throw new IOException($"the service at {service.Authority} answers {(int)response.StatusCode} to /api/ps: is it edgellm?");
            return await response.Content.ReadAsByteArrayAsync(cancellation).ConfigureAwait(false);
        }
        catch (HttpRequestException)
        {
            throw new IOException(
                $"nothing answers at {service.Authority}: edgellm serve starts a service there, systemctl status edgellm says what "
                    + "became of the installed one");
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            throw new IOException($"the service at {service.Authority} did not answer within {Patience.TotalSeconds:F0} s");
        }
    }

    private static JsonDocument Parse(Uri service, byte[] json)
    {
        try
        {
            var document = JsonDocument.Parse(json);
            bool isAnswer = document.RootElement.ValueKind == JsonValueKind.Object
                && document.RootElement.TryGetProperty("models", out JsonElement models)
                && models.ValueKind == JsonValueKind.Array && models.EnumerateArray().All(model => model.ValueKind == JsonValueKind.Object);
            if (isAnswer) return document;
            document.Dispose();
        }
        catch (JsonException)
        {
            // Said below.
        }
        throw new InvalidDataException($"the service at {service.Authority} answers something else than a list of models: is it edgellm?");
    }
}
