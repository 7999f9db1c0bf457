using Microsoft.Extensions.Logging;

namespace EdgeLlm.Server;

/// <summary>Passes messages of the web server and the host to the service's own log.</summary>
internal sealed class LogBridge(ServerLog log) : ILoggerProvider, ILogger
{
    public ILogger CreateLogger(string categoryName) => this;

    public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Warning;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception,
        Func<TState, Exception?, string> formatter)
    {
        if (eventId.Name == "HostedServiceStartupFaulted") return; // thrown as well, and said once, in our words
        string message = formatter(state, exception) + (exception is null ? "" : $": {exception.Message}");
        // A client's fault that was answered with a 400, yet the web server can't read on to the request's end.
        if (eventId.Name == "RequestBodyDrainBodyReaderInvalidState") logLevel = LogLevel.Warning;
        if (logLevel >= LogLevel.Error) log.Error(message);
        else if (logLevel == LogLevel.Warning) log.Warning(message);
    }

    public void Dispose()
    {
    }
}
