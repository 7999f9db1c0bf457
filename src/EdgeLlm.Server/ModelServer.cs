using System.Net;
using System.Net.Sockets;
using EdgeLlm.Models;
using EdgeLlm.Server.Access;
using EdgeLlm.Server.Admin;
using EdgeLlm.Server.Answers;
using EdgeLlm.Server.Anthropic;
using EdgeLlm.Server.Engine;
using EdgeLlm.Server.Fleet;
using EdgeLlm.Server.Http;
using EdgeLlm.Server.Kiosk;
using EdgeLlm.Server.LlamaCpp;
using EdgeLlm.Server.LmStudio;
using EdgeLlm.Server.Mcp;
using EdgeLlm.Server.Metrics;
using EdgeLlm.Server.Ollama;
using EdgeLlm.Server.OpenAi;
using EdgeLlm.Server.OpenAi.Responses;
using EdgeLlm.Server.Settings;
using EdgeLlm.Server.Systemd;
using EdgeLlm.Server.Tls;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace EdgeLlm.Server;

/// <summary>The service: models with the APIs of OpenAI and Ollama, and a page to talk to them.</summary>
public sealed class ModelServer : IAsyncDisposable
{
    private readonly ServerOptions _options;
    private readonly ServedModels _models;
    private readonly ServerLog _log;
    private readonly ServedVoices _voices;
    private readonly WebApplication _app;
    private readonly Hearing _hearing;
    private readonly PrometheusText _metrics;
    private readonly McpEndpoint _mcp;
    private readonly TlsCertificates? _tls;
    private readonly IDisposable? _export;
    private FleetWorker? _worker;

    /// <summary>A service that does not listen yet.</summary>
    public ModelServer(ServerOptions options, ServedModels models) : this(options, models, ServerLog.Standard())
    {
    }

    internal ModelServer(ServerOptions options, ServedModels models, ServerLog log)
    {
        _options = options;
        _models = models;
        models.Take(options);
        _log = log;
        Keys = new Keyring(options, log);
        Engine = new InferenceEngine(options, models, log);
        _hearing = new Hearing(options, log);
        _mcp = new McpEndpoint(Engine, _hearing, log);
        if (TlsCertificates.IsWanted(options)) _tls = new TlsCertificates(options, log);
        _export = OtlpExport.Begin(Environment.GetEnvironmentVariable, log);
        _metrics = new PrometheusText(Engine.Metrics.Meter);
        Connections = new Connections(options.Connections);
        _voices = new ServedVoices(options);
        _app = Build();
    }

    /// <summary>Where it listens, once it is started.</summary>
    public Uri Address => Addresses[0];

    /// <summary>All addresses, in the order of the settings listen and metricsListen.</summary>
    internal IReadOnlyList<Uri> Addresses =>
        [.. _app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Select(
            address => new Uri(address))];

    internal InferenceEngine Engine { get; }

    internal Connections Connections { get; }

    internal Keyring Keys { get; }

    /// <summary>All routes.</summary>
    internal IEnumerable<RouteEndpoint> Routes =>
        ((IEndpointRouteBuilder)_app).DataSources.SelectMany(source => source.Endpoints).OfType<RouteEndpoint>();

    /// <summary>Offers another tool by the Model Context Protocol.</summary>
    /// <exception cref="ArgumentException">There is a tool of this name, or its schema is not JSON.</exception>
    public void AddTool(ServiceTool tool) => _mcp.Add(tool);

    /// <summary>Listens, loads the model, answers until SIGTERM, Ctrl-C or <paramref name="cancellation"/>, and ends what runs.</summary>
    /// <exception cref="IOException">The address is taken or is not this machine's; the message says which and what to do.</exception>
    /// <exception cref="ModelException">The model can't be loaded; other exceptions of <see cref="Models.LanguageModel.Load"/> come
    /// too.</exception>
    public async Task RunAsync(CancellationToken cancellation = default)
    {
        using var notifier = new ServiceNotifier(Environment.GetEnvironmentVariable("NOTIFY_SOCKET"), _log);
        await StartAsync(cancellation).ConfigureAwait(false);
        using RunMarker? marker = RunMarker.Leave(_options.StateDirectory, _models.Own, _log);
        using Watchdog? watchdog = Watchdog.OfEnvironment(Engine, notifier, _log);
        notifier.Ready($"{_models.Own.Name} on {Address}");
        _log.Info($"ready: {_models.Own.Name} on {Address}");

        IHostApplicationLifetime lifetime = _app.Services.GetRequiredService<IHostApplicationLifetime>();
        var stop = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using CancellationTokenRegistration asked = lifetime.ApplicationStopping.Register(stop.SetResult);
        using CancellationTokenRegistration cancelled = cancellation.Register(lifetime.StopApplication);
        await stop.Task.ConfigureAwait(false);
        notifier.Stopping();
        _log.Info("stopping");
        await StopAsync().ConfigureAwait(false);
        _log.Info("stopped");
    }

    /// <summary>Listens and loads the model.</summary>
    internal async Task StartAsync(CancellationToken cancellation = default)
    {
        await ListenAsync(cancellation).ConfigureAwait(false);
        if (_options.Fleet == FleetRole.None) Engine.Load();
        else Engine.Load(BeginFleet);
    }

    /// <summary>Joins the fleet. The model's file is read for its hash before, which its workers have to agree on.</summary>
    private void BeginFleet(LanguageModel model)
    {
        string key = Convert.ToHexStringLower(model.StateKey());
        if (_options.Fleet == FleetRole.Gateway) Engine.Gateway = new FleetGateway(_options, _log, key, model.Info.VocabularySize);
        else _worker = new FleetWorker(Engine, _options, _log, key);
    }

    /// <summary>Listens; clients are told that the model is being loaded.</summary>
    internal async Task ListenAsync(CancellationToken cancellation = default)
    {
        try
        {
            await _app.StartAsync(cancellation).ConfigureAwait(false);
        }
        catch (IOException exception) when (exception.InnerException is AddressInUseException)
        {
            string where = _options.MetricsListen is { } other ? $"{_options.Listen} or {other} (metricsListen)"
                : _options.Listen.ToString();
            throw new IOException(
                $"{where} is in use, by another program (Ollama?) or another edgellm: stop that, or choose another port (--listen "
                    + "127.0.0.1:11435)",
                exception);
        }
        catch (SocketException exception)
        {
            throw new IOException(
                $"can't listen on {_options.Listen}: {exception.Message}; the address has to be this machine's, and ports below 1024 are "
                    + "the system's",
                exception);
        }
    }

    /// <summary>Ends what runs, refuses what comes, and closes.</summary>
    internal async Task StopAsync()
    {
        if (_worker is not null) await _worker.StopTakingAsync().ConfigureAwait(false);
        await Engine.StopAsync(TimeSpan.FromSeconds(_options.StopSeconds)).ConfigureAwait(false);
        await _app.StopAsync().ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _app.DisposeAsync().ConfigureAwait(false);
        if (_worker is not null) await _worker.DisposeAsync().ConfigureAwait(false);
        if (Engine.Gateway is not null) await Engine.Gateway.DisposeAsync().ConfigureAwait(false);
        _voices.Dispose();
        _export?.Dispose();
        _metrics.Dispose();
        _tls?.Dispose();
        Engine.Dispose();
        _hearing.Dispose();
        Keys.Dispose();
    }

    private WebApplication Build()
    {
        WebApplicationBuilder builder =
            WebApplication.CreateSlimBuilder(
                new WebApplicationOptions { ApplicationName = "edgellm", ContentRootPath = AppContext.BaseDirectory });
        builder.Logging.ClearProviders();
        builder.Logging.AddProvider(new LogBridge(_log));
        builder.Logging.SetMinimumLevel(LogLevel.Warning);
        builder.Logging.AddFilter("ModelContextProtocol", LogLevel.None); // clients' slips, which they are told of
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = TimeSpan.FromSeconds(5)); // the engine has stopped by then
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestBodySize = _options.BodyLimit;
            kestrel.Limits.RequestHeadersTimeout = TimeSpan.FromSeconds(15);
            kestrel.Listen(new IPEndPoint(_options.Listen.Address, _options.Listen.Port), endpoint =>
            {
                endpoint.Protocols = HttpProtocols.Http1;
                endpoint.Use(next => connection => Connections.ServeAsync(connection, next));
                if (_tls is not null)
                    endpoint.UseHttps(new TlsHandshakeCallbackOptions
                    {
                        OnConnection = _ => ValueTask.FromResult(_tls.Current()),
                        HandshakeTimeout = TimeSpan.FromSeconds(10)
                    });
            });
            if (_options.MetricsListen is not { } other) return;
            kestrel.Listen(new IPEndPoint(other.Address, other.Port), endpoint =>
            {
                endpoint.Protocols = HttpProtocols.Http1;
                endpoint.Use(next => connection =>
                {
                    MetricsEndpoint.Mark(connection);
                    return Connections.ServeAsync(connection, next);
                });
            });
        });
        _mcp.Register(builder.Services);
        WebApplication app = builder.Build();
        app.Use((context, next) =>
        {
            context.Response.Headers.XContentTypeOptions = "nosniff";
            WatchedAnswer.CurrentOperation.Value = context.Request.Path.Value is { } path
                && (path.EndsWith("/generate", StringComparison.Ordinal) || path.EndsWith("/completions", StringComparison.Ordinal))
                && !path.EndsWith("/chat/completions", StringComparison.Ordinal) ? "text_completion" : "chat";
            return next(context);
        });
        app.Use(new ErrorHandling(_log).InvokeAsync);
        var rules = new AccessRules(_options, Keys);
        app.Use(rules.InvokeAsync);
        if (_options.Fleet == FleetRole.Gateway)
        {
            app.Use((context, next) =>
            {
                IdempotencyKey.Take(context);
                return next(context);
            });
        }
        HealthEndpoints.Map(app, Engine);
        WebPage.Map(app, _options.Page);
        var answers = new AnswerService(Engine, _options, _log);
        new ChatEndpoints(answers).Map(app);
        new ModelEndpoints(answers).Map(app);
        new CompletionEndpoints(answers).Map(app);
        new EmbeddingEndpoints(answers).Map(app);
        new ResponseEndpoints(answers, _log, TimeProvider.System).Map(app);
        new MessagesEndpoints(answers).Map(app);
        new LlamaEndpoints(answers).Map(app);
        new LmStudioEndpoints(answers).Map(app);
        new OllamaEmbedEndpoints(answers).Map(app);
        new OllamaLibraryEndpoints(answers, _log).Map(app);
        new SpeechEndpoints(_voices, _options, _log).Map(app);
        new OllamaEndpoints(answers, _log).Map(app);
        new OllamaModelEndpoints(Engine).Map(app);
        MetricsEndpoint.Map(app, _metrics);
        McpEndpoint.Map(app);
        if (_tls?.Authority is { } authority) CaEndpoint.Map(app, authority);
        new AdminEndpoints(Engine, _options, Keys, Engine.Metrics.Machine, Connections, _log).Map(app);
        new AssistantEndpoints(_options, Keys, rules).Map(app);
        AdapterEndpoints.Map(app, Engine);
        new TranscriptionEndpoints(_hearing, _options).Map(app);
        return app;
    }
}
