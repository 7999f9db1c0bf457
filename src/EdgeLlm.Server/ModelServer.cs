using System.Net;
using System.Net.Sockets;
using EdgeLlm.Server.Engine;
using EdgeLlm.Server.Http;
using EdgeLlm.Server.Ollama;
using EdgeLlm.Server.OpenAi;
using EdgeLlm.Server.Settings;
using EdgeLlm.Server.Systemd;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace EdgeLlm.Server;

/// <summary>The service: models behind the APIs of OpenAI and Ollama, and a page to talk to them.</summary>
public sealed class ModelServer : IAsyncDisposable
{
    private readonly ServerOptions _options;
    private readonly ServedModels _models;
    private readonly ServerLog _log;
    private readonly ServedVoices _voices;
    private readonly WebApplication _app;
    private readonly Hearing _hearing;

    /// <summary>A service that does not listen yet.</summary>
    public ModelServer(ServerOptions options, ServedModels models) : this(options, models, ServerLog.Standard())
    {
    }

    internal ModelServer(ServerOptions options, ServedModels models, ServerLog log)
    {
        _options = options;
        _models = models;
        _log = log;
        Engine = new InferenceEngine(options, models, log);
        Connections = new Connections(options.Connections);
        _voices = new ServedVoices(options);
        _hearing = new Hearing(options, log);
        _app = Build();
    }

    /// <summary>Where it listens, once it is started.</summary>
    public Uri Address => new(_app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First());

    internal InferenceEngine Engine { get; }

    internal Connections Connections { get; }

    /// <summary>Listens, loads the model, answers until SIGTERM, Ctrl-C or <paramref name="cancellation"/>, and ends what runs.</summary>
    /// <exception cref="IOException">The address is taken or is not this machine's; the message says which and what to do.</exception>
    /// <exception cref="ModelException">The model can't be loaded; other exceptions of <see cref="Models.LanguageModel.Load"/> come too.</exception>
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
        Engine.Load();
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
            throw new IOException($"{_options.Listen} is in use, by another program (Ollama?) or another edgellm: stop that, or choose another port (--listen 127.0.0.1:11435)", exception);
        }
        catch (SocketException exception)
        {
            throw new IOException($"can't listen on {_options.Listen}: {exception.Message}; the address has to be this machine's, and ports below 1024 are the system's", exception);
        }
    }

    /// <summary>Ends what runs, refuses what comes, and closes.</summary>
    internal async Task StopAsync()
    {
        await Engine.StopAsync(TimeSpan.FromSeconds(_options.StopSeconds)).ConfigureAwait(false);
        await _app.StopAsync().ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _app.DisposeAsync().ConfigureAwait(false);
        _voices.Dispose();
        Engine.Dispose();
        _hearing.Dispose();
    }

    private WebApplication Build()
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder(new WebApplicationOptions { ApplicationName = "edgellm", ContentRootPath = AppContext.BaseDirectory });
        builder.Logging.ClearProviders();
        builder.Logging.AddProvider(new LogBridge(_log));
        builder.Logging.SetMinimumLevel(LogLevel.Warning);
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
            });
        });
        WebApplication app = builder.Build();
        app.Use((context, next) =>
        {
            context.Response.Headers.XContentTypeOptions = "nosniff";
            return next(context);
        });
        app.Use(new ErrorHandling(_log).InvokeAsync);
        app.Use(new AccessRules(_options).InvokeAsync);
        HealthEndpoints.Map(app, Engine);
        WebPage.Map(app);
        new OpenAiEndpoints(Engine, _options, _log).Map(app);
        new SpeechEndpoints(_voices, _options, _log).Map(app);
        new OllamaEndpoints(Engine, _options, _log).Map(app);
        new OllamaModelEndpoints(Engine).Map(app);
        new TranscriptionEndpoints(_hearing, _options).Map(app);
        return app;
    }
}
