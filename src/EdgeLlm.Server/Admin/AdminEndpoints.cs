using System.Diagnostics;
using System.Globalization;
using EdgeLlm.Files;
using EdgeLlm.Generation.Prefixes;
using EdgeLlm.Generation.Scheduling;
using EdgeLlm.Models;
using EdgeLlm.Server.Access;
using EdgeLlm.Server.Engine;
using EdgeLlm.Server.Http;
using EdgeLlm.Server.Metrics;
using EdgeLlm.Server.Settings;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace EdgeLlm.Server.Admin;

/// <summary>
/// Endpoints of an administrator: `/admin/...`, and llama-server's `/slots`. Numbers, names and the service's own words only: no text of
/// prompts or answers, no secret.
/// </summary>
internal sealed class AdminEndpoints(InferenceEngine engine, ServerOptions options, Keyring keys, MachineState machine,
    Connections connections, ServerLog log)
{
    private static readonly string[] Read = ["GET", "HEAD"];

    private readonly long _start = Stopwatch.GetTimestamp();

    public void Map(IEndpointRouteBuilder routes)
    {
        Get("/slots", context => JsonResponse.WriteAsync(context, Slots(), AdminJson.Default.SlotArray));
        Get("/admin/status", context => JsonResponse.WriteAsync(context, Status(), AdminJson.Default.AdminStatus));
        Get("/admin/logs", LogsAsync);
        Get("/admin/settings", context => JsonResponse.WriteAsync(context, [.. options.InForce], AdminJson.Default.SettingInForceArray));
        Get("/admin/keys", context => JsonResponse.WriteAsync(context, [.. keys.All.Select(one => Describe(one.Key, one.Meter))],
            AdminJson.Default.AdminKeyArray));
        Get("/admin/cache", context => JsonResponse.WriteAsync(context, Cache(), AdminJson.Default.AdminCache));
        routes.MapDelete("/admin/cache", (RequestDelegate)ClearAsync).For(KeyRole.Admin);
        routes.MapPost("/admin/models/load", (RequestDelegate)LoadAsync).For(KeyRole.Admin);
        routes.MapPost("/admin/models/unload", (RequestDelegate)UnloadAsync).For(KeyRole.Admin);

        void Get(string path, RequestDelegate answer) => routes.MapMethods(path, Read, answer).For(KeyRole.Admin);
    }

    private Slot[] Slots()
    {
        Slot[] taken = [.. engine.Requests.Where(one => one.Answer is not null).Select((one, i) =>
        {
            Answer answer = one.Answer!;
            bool waits = answer.Waited == TimeSpan.Zero && engine.CountBefore(answer) > 0;
            return new Slot(i, one.Number, answer.Model.ContextLength, answer.Request.Options.Speculates, true)
            {
                Model = answer.Model.Name, Client = one.Client, IsWaiting = waits, PromptTokens = answer.Request.Prompt.Count,
                GeneratedTokens = answer.Generated,
                MaxTokens = answer.Request.Options.MaxTokens, Seconds = answer.Elapsed.TotalSeconds,
            };
        })];
        int context = engine.OpenOf(engine.Models.Own)?.ContextLength ?? 0;
        return [.. taken, .. Enumerable.Range(taken.Length, Math.Max(0, options.Parallel - taken.Length)).Select(i =>
            new Slot(i, -1, context, options.Speculation, false))];
    }

    private AdminStatus Status()
    {
        ServiceTotals.Sums sums = engine.Metrics.Totals.Now;
        Dictionary<string, OpenModel> open = engine.Open.ToDictionary(one => one.Path);
        return new AdminStatus(
            typeof(AdminEndpoints).Assembly.GetName().Version!.ToString(3), engine.State.ToString().ToLowerInvariant(),
            Stopwatch.GetElapsedTime(_start).TotalSeconds,
            new AdminRequests(engine.Running, engine.Waiting, options.Parallel, options.Queue, sums.Answered, sums.Failed),
            new AdminThroughput(sums.PromptTokens, sums.CachedTokens, sums.GeneratedTokens, sums.PromptSeconds, sums.DecodeSeconds),
            new AdminMachine(
                machine.Temperature, machine.Frequency / 1_000_000, machine.AnonymousBytes, MachineMemory.Total, MachineMemory.Available,
                [.. machine.Throttled.Where(one => one.Now || one.Before).Select(one => new AdminThrottling(one.Reason, one.Now))]),
            engine.CacheBytes, connections.Open,
            [.. engine.Models.All.Select(served => Describe(served, open.GetValueOrDefault(served.Path)))]);
    }

    private AdminModel Describe(ServedModel served, OpenModel? open) => new(
        served.Name, served == engine.Models.Own, open is not null, served.Family, served.Quantization, served.Size, open?.Model.Plan.Total,
        open?.Model.ContextLength ?? served.ContextLength,
        open is null ? 0 : engine.AnswersOf(open.Model), open?.Expires);

    private static AdminKey Describe(ApiKey key, KeyMeter meter) => new(
        key.Name, KeyFile.NameOf(key.Role), key.Models, key.RequestsPerMinute, key.TokensPerDay, meter.Tokens,
        key.Created == default ? null : key.Created);

    private Task LogsAsync(HttpContext context)
    {
        string text = context.Request.Query["after"].ToString();
        long after = 0;
        if (text.Length > 0 && !long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out after))
            throw ApiException.Field("after", "has to be the number of a line");
        return JsonResponse.WriteAsync(context, [.. log.After(after)], AdminJson.Default.LogLineArray);
    }

    private AdminCache Cache() =>
        new(engine.CacheBytes, options.CacheMemory ?? ServerOptions.UsualCacheMemory,
            [.. Files().Select(file => new AdminCacheFile(file.Name, file.Length, file.LastWriteTimeUtc))]);

    private Task ClearAsync(HttpContext context)
    {
        engine.ClearCache();
        foreach (FileInfo file in Files())
        {
            try
            {
                file.Delete();
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                throw new ApiException(500,
                    $"{file.Name} can't be removed: {FileException.Describe(exception, writes: true)}", "cache_not_removed");
            }
        }
        log.Info($"{AccessRules.ClientOf(context)} removed all kept prompts");
        return JsonResponse.WriteAsync(context, Cache(), AdminJson.Default.AdminCache);
    }

    private IReadOnlyList<FileInfo> Files()
    {
        try
        {
            return options.CacheFolder is { } folder && Directory.Exists(folder) ? PrefixFolder.FilesIn(folder) : [];
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }

    private async Task LoadAsync(HttpContext context)
    {
        ServedModel served = await ModelOfAsync(context).ConfigureAwait(false);
        using (await engine.UseAsync(served, context.RequestAborted).ConfigureAwait(false))
            log.Info($"{AccessRules.ClientOf(context)} loaded {served.Name}");
        await AnswerAsync(context, served).ConfigureAwait(false);
    }

    private async Task UnloadAsync(HttpContext context)
    {
        ServedModel served = await ModelOfAsync(context).ConfigureAwait(false);
        engine.Close(served);
        log.Info($"{AccessRules.ClientOf(context)} unloaded {served.Name}");
        await AnswerAsync(context, served).ConfigureAwait(false);
    }

    private Task AnswerAsync(HttpContext context, ServedModel served) =>
        JsonResponse.WriteAsync(context, Describe(served, engine.Open.FirstOrDefault(open => open.Path == served.Path)),
            AdminJson.Default.AdminModel);

    private async Task<ServedModel> ModelOfAsync(HttpContext context)
    {
        AdminModelRequest request = await JsonResponse.ReadAsync(context, AdminJson.Default.AdminModelRequest).ConfigureAwait(false);
        if (string.IsNullOrEmpty(request.Model)) throw ApiException.Field("model", "is missing");
        return engine.Find(request.Model)
            ?? throw new ApiException(404, $"the model '{request.Model}' is not here; this service has {engine.ModelNames}",
                "model_not_found", "model");
    }
}
