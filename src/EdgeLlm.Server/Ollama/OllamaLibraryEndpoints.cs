using System.Security.Cryptography;
using System.Text.Json;
using EdgeLlm.Generation.Scheduling;
using EdgeLlm.Server.Access;
using EdgeLlm.Server.Answers;
using EdgeLlm.Server.Http;
using EdgeLlm.Server.Library;
using EdgeLlm.Server.Settings;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Routing;

namespace EdgeLlm.Server.Ollama;

/// <summary>
/// Endpoints that change the set of models: pull, create, copy, delete, and uploads. All of it takes an administrator's key, where there
/// are keys.
/// </summary>
internal sealed class OllamaLibraryEndpoints(AnswerService service, ServerLog log)
{
    private static readonly TimeSpan BetweenSigns = TimeSpan.FromMilliseconds(250);

    public void Map(IEndpointRouteBuilder routes)
    {
        routes.MapPost("/api/pull", (RequestDelegate)PullAsync).For(KeyRole.Admin);
        routes.MapPost("/api/create", (RequestDelegate)CreateAsync).For(KeyRole.Admin);
        routes.MapPost("/api/copy", (RequestDelegate)CopyAsync).For(KeyRole.Admin);
        routes.MapDelete("/api/delete", (RequestDelegate)DeleteAsync).For(KeyRole.Admin);
        routes.MapMethods("/api/blobs/{digest}", ["HEAD"], (RequestDelegate)HasBlobAsync).For(KeyRole.Admin);
        routes.MapPost("/api/blobs/{digest}", (RequestDelegate)UploadAsync).For(KeyRole.Admin);
    }

    private ModelLibrary Library =>
        service.Engine.Models.Library
            ?? throw new ApiException(400, "this service has no folder for models: it serves what it was started with");

    private async Task PullAsync(HttpContext context)
    {
        OllamaPullRequest request = await JsonResponse.ReadAsync(context, OllamaJson.Default.OllamaPullRequest).ConfigureAwait(false);
        string name = NameOf(request.Model, request.Name);
        if (service.Engine.Find(name) is not null)
        {
            await AnswerAsync(context, request.Stream, [new OllamaStatus("pulling manifest"), new OllamaStatus("success")])
                .ConfigureAwait(false);
            return;
        }
        ModelLibrary library = Library;
        if (library.Pull is not { } pull) throw new ApiException(400, "this service pulls nothing", parameter: "model");
        if (request.Stream == false)
        {
            Alias(library, name, await GuardedAsync(() => pull(name, _ => { }, context.RequestAborted)).ConfigureAwait(false));
            await JsonResponse.WriteAsync(context, new OllamaStatus("success"), OllamaJson.Default.OllamaStatus).ConfigureAwait(false);
            return;
        }
        PullProgress? progress = null;
        Task<string> pulled =
            GuardedAsync(() => Task.Run(() => pull(name, one => Volatile.Write(ref progress, one), context.RequestAborted)));
        await Task.WhenAny(pulled, Task.Delay(BetweenSigns)).ConfigureAwait(false);
        if (pulled.IsFaulted) await pulled.ConfigureAwait(false); // a status, while there can be one
        using JsonStream stream = await JsonStream.OfLinesAsync(context).ConfigureAwait(false);
        await WriteAsync(new OllamaStatus("pulling manifest")).ConfigureAwait(false);
        while (await Task.WhenAny(pulled, Task.Delay(BetweenSigns)).ConfigureAwait(false) != pulled)
            await WriteProgressAsync().ConfigureAwait(false);
        await WriteProgressAsync().ConfigureAwait(false); // also of a pull that was faster than a sign
        Alias(library, name, await pulled.ConfigureAwait(false));
        foreach (string status in (string[])["verifying sha256 digest", "writing manifest", "success"])
            await WriteAsync(new OllamaStatus(status)).ConfigureAwait(false);

        Task WriteAsync(OllamaStatus status) => stream.WriteAsync(status, OllamaJson.Default.OllamaStatus);

        Task WriteProgressAsync() =>
            Volatile.Read(ref progress) is not { } at ? Task.CompletedTask
                : WriteAsync(new OllamaStatus($"pulling {at.Digest?[..12] ?? at.File}")
                {
                    Digest = at.Digest is { } digest ? "sha256:" + digest : null,
                    Total = at.Total,
                    Completed = at.Completed,
                });
    }

    private async Task CreateAsync(HttpContext context)
    {
        OllamaCreateRequest request = await JsonResponse.ReadAsync(context, OllamaJson.Default.OllamaCreateRequest).ConfigureAwait(false);
        string name = NameOf(request.Model, request.Name);
        if (!string.IsNullOrEmpty(request.Quantize))
            throw ApiException.Unsupported("quantize", "edgellm quantize makes a smaller file of a model");
        if (!string.IsNullOrEmpty(request.Template))
            Guarded("template", () => Checked(request.Template));
        ModelLibrary library = Library;
        DerivedModel model = Guarded("modelfile", () => ModelOf(request, library, name));
        if (request.Files is { Count: > 0 }
            && model is { System: null, Template: null, Messages: [], Parameters.Count: 0, License: [], Adapters: [] }
            && model.From == name)
            model = model with { From = "" }; // the file itself
        else if (model.From != name && service.Engine.Find(model.From) is null)
            throw new ApiException(404,
                $"from: there is no model '{model.From}' here; this service has {service.Engine.ModelNames}", parameter: "from");
        if (model.Adapters.Count > 0) await RequireAdaptersAsync(library, model, name, context.RequestAborted).ConfigureAwait(false);
        if (model.From.Length > 0) Guarded("model", () => Write(library, name, model));
        log.Info($"made the model '{name}'");
        await AnswerAsync(context, request.Stream,
            [new OllamaStatus("reading model metadata"), new OllamaStatus("writing manifest"), new OllamaStatus("success")])
            .ConfigureAwait(false);
    }

    /// <summary>
    /// Opens the adapters of a model that is being made, with the model that it is made of; those that don't fit are removed.
    /// </summary>
    /// <exception cref="ApiException">One can't be used with it.</exception>
    private async Task RequireAdaptersAsync(ModelLibrary library, DerivedModel model, string name, CancellationToken cancellation)
    {
        try
        {
            ServedModel from = service.Engine.Find(model.From)
                ?? throw new ApiException(404,
                    $"from: there is no model '{model.From}' here; this service has {service.Engine.ModelNames}", parameter: "from");
            using ModelLease lease =
                await service.Engine.UseAsync(model.Of(from, name, DateTimeOffset.UtcNow), cancellation).ConfigureAwait(false);
        }
        catch (Exception exception)
        {
            foreach (AdapterEntry adapter in model.Adapters) library.RemoveAdapter(adapter.Path);
            if (exception is ApiException { Status: 500 } refused)
                throw ApiException.Field("adapters", $"can't be taken: {refused.Message}");
            throw;
        }
    }

    private async Task CopyAsync(HttpContext context)
    {
        OllamaCopyRequest request = await JsonResponse.ReadAsync(context, OllamaJson.Default.OllamaCopyRequest).ConfigureAwait(false);
        if (string.IsNullOrEmpty(request.Destination)) throw ApiException.Field("destination", "is missing");
        if (string.IsNullOrEmpty(request.Source)) throw ApiException.Field("source", "is missing");
        ServedModel source = OllamaEndpoints.Find(service.Engine, request.Source);
        ModelLibrary library = Library;
        if (service.Engine.Find(request.Destination) is not null
            && !library.Derived().Any(one => ServedModel.IsCalled(one.Name, request.Destination)))
            throw ApiException.Field("destination", $"is the name of a model that is not a copy: '{request.Destination}'");
        Guarded("destination", () => Write(library, request.Destination, new DerivedModel { From = source.Name }));
    }

    private async Task DeleteAsync(HttpContext context)
    {
        OllamaPullRequest request = await JsonResponse.ReadAsync(context, OllamaJson.Default.OllamaPullRequest).ConfigureAwait(false);
        string name = NameOf(request.Model, request.Name);
        ServedModel served = OllamaEndpoints.Find(service.Engine, name);
        ModelLibrary library = Library;
        if (Guarded("model", () => library.Remove(served.Name))) return;
        if (served.Path == service.Engine.Models.Own.Path)
            throw ApiException.Field("model", $"is the service's own, '{served.Name}', which stays");
        if (Path.GetDirectoryName(Path.GetFullPath(served.Path)) != Path.GetFullPath(library.Folder) || !File.Exists(served.Path))
            throw ApiException.Field("model", $"is not in this service's folder: `edgellm rm` removes '{served.Name}'");
        service.Engine.Close(served);
        await GuardedAsync(() => Task.Run(() =>
        {
            File.Delete(served.Path);
            return "";
        })).ConfigureAwait(false);
        log.Info($"removed {served.Path}");
    }

    private Task HasBlobAsync(HttpContext context)
    {
        string path = Guarded("digest", () => Library.BlobPath((string)context.Request.RouteValues["digest"]!));
        context.Response.StatusCode = File.Exists(path) ? 200 : 404;
        context.Response.ContentLength = 0;
        return context.Response.StartAsync();
    }

    private async Task UploadAsync(HttpContext context)
    {
        const long Spare = 64_000_000; // a disk that is full to the last byte takes other programs down
        string digest = (string)context.Request.RouteValues["digest"]!;
        string path = Guarded("digest", () => Library.BlobPath(digest)), folder = Path.GetDirectoryName(path)!,
            beside = path + "." + Path.GetRandomFileName();
        context.Features.GetRequiredFeature<IHttpMaxRequestBodySizeFeature>().MaxRequestBodySize = null;
        await GuardedAsync(async () =>
        {
            Directory.CreateDirectory(folder);
            long free = new DriveInfo(folder).AvailableFreeSpace - Spare, count = 0;
            using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
            try
            {
                await using (FileStream file = File.Create(beside))
                {
                    byte[] buffer = new byte[64 << 10];
                    int read;
                    while ((read = await context.Request.Body.ReadAsync(buffer, context.RequestAborted).ConfigureAwait(false)) > 0)
                    {
                        if ((count += read) > free)
                            throw new ApiException(413, "there is no room for it on the service's disk", "request_too_large", "digest");
                        hash.AppendData(buffer, 0, read);
                        await file.WriteAsync(buffer.AsMemory(0, read), context.RequestAborted).ConfigureAwait(false);
                    }
                }
                if (!Path.GetFileName(path).EndsWith(Convert.ToHexStringLower(hash.GetHashAndReset()), StringComparison.Ordinal))
                    throw ApiException.Field("digest", "is not that of what came");
                File.Move(beside, path, overwrite: true);
            }
            finally
            {
                File.Delete(beside);
            }
            return "";
        }).ConfigureAwait(false);
        context.Response.StatusCode = 201;
        await context.Response.StartAsync().ConfigureAwait(false);
    }

    private static DerivedModel ModelOf(OllamaCreateRequest request, ModelLibrary library, string name)
    {
        DerivedModel model = string.IsNullOrEmpty(request.Modelfile) ? new DerivedModel { From = request.From ?? "" }
            : Modelfile.Parse(request.Modelfile);
        if (request.Files is { Count: > 0 } files)
        {
            if (files.Count > 1) throw new ArgumentException($"{files.Count} files: a model is made of one GGUF file here");
            bool isPlain = string.IsNullOrEmpty(request.System) && string.IsNullOrEmpty(request.Template)
                && request.Adapters is not { Count: > 0 } && request.Messages is not { Count: > 0 } && request.Parameters is not { Count: > 0 } && !Fields.IsSet(request.License);
            string stored = isPlain ? name : name + "-weights";
            library.Adopt(files.Values.First(), stored);
            model = model with { From = stored };
        }
        if (string.IsNullOrWhiteSpace(model.From)) throw new ArgumentException("from is missing: the model that this one is made of");
        if (request.Adapters is { Count: > 0 } adapters)
            model = model with { Adapters = [new AdapterEntry(name, library.AdoptAdapter(adapters, name), 1)] };
        else model = model with { Adapters = [.. model.Adapters.Select(entry => AdapterOf(entry.Path!, library, name))] };
        return model with
        {
            System = string.IsNullOrEmpty(request.System) ? model.System : request.System,
            Template = string.IsNullOrEmpty(request.Template) ? model.Template : request.Template,
            Parameters = request.Parameters is { Count: > 0 } parameters ? parameters : model.Parameters,
            Messages = request.Messages is { Count: > 0 } messages
                ? [.. messages.Select(message => new DerivedTurn(message?.Role ?? "", message?.Content ?? ""))] : model.Messages,
            License = Fields.IsSet(request.License) ? Fields.Texts(request.License, "license") : model.License,
        };
    }

    /// <summary>Meaning of ADAPTER over the network: an upload, or an adapter of the settings, never a path.</summary>
    private static AdapterEntry AdapterOf(string value, ModelLibrary library, string name) =>
        value.TrimStart('@') is var digest && digest.StartsWith("sha256", StringComparison.Ordinal) && digest.Length == 71
        ? new AdapterEntry(name, library.AdoptAdapter(new Dictionary<string, string> { ["adapter.gguf"] = digest }, name), 1)
        : new AdapterEntry(value, null, 1);

    /// <summary>A name with a repository in it stays usable beside that of the file.</summary>
    private static void Alias(ModelLibrary library, string name, string pulled)
    {
        if (!ServedModel.IsCalled(pulled, name)) library.Write(name, new DerivedModel { From = pulled });
    }

    private static bool Write(ModelLibrary library, string name, DerivedModel model)
    {
        library.Write(name, model);
        return true;
    }

    private static bool Checked(string template)
    {
        ModelTemplate.Check(template);
        return true;
    }

    private static string NameOf(string? model, string? name) =>
        !string.IsNullOrEmpty(model) ? model : !string.IsNullOrEmpty(name) ? name
            : throw new ApiException(400, "model is required", parameter: "model");

    private static async Task AnswerAsync(HttpContext context, bool? isStream, OllamaStatus[] statuses)
    {
        if (isStream == false)
        {
            await JsonResponse.WriteAsync(context, statuses[^1], OllamaJson.Default.OllamaStatus).ConfigureAwait(false);
            return;
        }
        using JsonStream stream = await JsonStream.OfLinesAsync(context).ConfigureAwait(false);
        foreach (OllamaStatus status in statuses) await stream.WriteAsync(status, OllamaJson.Default.OllamaStatus).ConfigureAwait(false);
    }

    private static T Guarded<T>(string field, Func<T> work)
    {
        try
        {
            return work();
        }
        catch (ArgumentException exception)
        {
            throw ApiException.Field(field, $"can't be taken: {exception.Message}");
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new ApiException(507, $"the service can't write: {exception.Message}", "insufficient_storage");
        }
    }

    private static async Task<string> GuardedAsync(Func<Task<string>> work)
    {
        try
        {
            return await work().ConfigureAwait(false);
        }
        catch (ArgumentException exception)
        {
            throw new ApiException(400, exception.Message, parameter: "model");
        }
        catch (Exception exception)
            when (exception is (IOException or UnauthorizedAccessException or InvalidDataException or HttpRequestException)
                and not BadHttpRequestException)
        {
            throw new ApiException(502, exception.Message, "pull_failed", "model");
        }
    }
}

/// <summary>The body of `POST /api/pull` and of `DELETE /api/delete`; older clients say `name`.</summary>
internal sealed record OllamaPullRequest(string? Model, string? Name, bool? Stream);

/// <summary>The body of `POST /api/copy`.</summary>
internal sealed record OllamaCopyRequest(string? Source, string? Destination);

/// <summary>The body of `POST /api/create`.</summary>
internal sealed record OllamaCreateRequest
{
    public string? Model { get; init; }

    public string? Name { get; init; }

    /// <summary>The model that this one is made of.</summary>
    public string? From { get; init; }

    /// <summary>Uploads by file name: `sha256:...`.</summary>
    public Dictionary<string, string>? Files { get; init; }

    /// <summary>A whole Modelfile, as older clients send it.</summary>
    public string? Modelfile { get; init; }

    public string? System { get; init; }

    public string? Template { get; init; }

    public Dictionary<string, JsonElement>? Parameters { get; init; }

    public List<OllamaMessage?>? Messages { get; init; }

    /// <summary>A text or a list of texts.</summary>
    public JsonElement? License { get; init; }

    /// <summary>Uploads of an adapter by file name: one GGUF file, or the files of a PEFT folder.</summary>
    public Dictionary<string, string>? Adapters { get; init; }

    public string? Quantize { get; init; }

    public bool? Stream { get; init; }
}

/// <summary>How far a pull or a making is.</summary>
internal sealed record OllamaStatus(string Status)
{
    public string? Digest { get; init; }

    public long? Total { get; init; }

    public long? Completed { get; init; }
}
