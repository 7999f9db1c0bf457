using System.Net.Sockets;
using System.Text;
using EdgeLlm.Server.Systemd;

namespace EdgeLlm.Server.Tests.Systemd;

public sealed class NotifyTests
{
    private readonly StringWriter _text = new();
    private readonly ServerLog _log;

    public NotifyTests() => _log = new ServerLog(TextWriter.Synchronized(_text), forJournal: true);

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Systemd_hears_when_the_service_is_ready_and_when_it_stops(bool isAbstract)
    {
        string path = isAbstract ? "@edgellm-test-" + Guid.NewGuid().ToString("N")
            : Path.Combine(Path.GetTempPath(), Guid.NewGuid().ToString("N"));
        using Socket systemd = Bind(path);
        using var notifier = new ServiceNotifier(path, _log);
        notifier.Ready("tiny on here");
        Assert.Equal("READY=1\nSTATUS=tiny on here", Receive(systemd));
        notifier.Stopping();
        Assert.StartsWith("STOPPING=1\n", Receive(systemd), StringComparison.Ordinal);
        if (!isAbstract) File.Delete(path);
    }

    [Fact]
    public void Without_systemd_there_is_nobody_to_tell()
    {
        using var nobody = new ServiceNotifier(null, _log);
        nobody.Ready("x");
        Assert.Empty(_text.ToString());
        using var gone = new ServiceNotifier("/nonexistent/socket", _log);
        gone.Ready("x");
        Assert.StartsWith("<4>systemd's socket /nonexistent/socket", _text.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void The_watchdog_is_fed_while_the_engine_rests_or_gets_further_and_not_when_it_hangs()
    {
        string path = "@edgellm-test-" + Guid.NewGuid().ToString("N");
        using Socket systemd = Bind(path);
        using var notifier = new ServiceNotifier(path, _log);
        bool computing = false;
        long progress = 0;
        bool hangs = false;
        using var watchdog = new Watchdog(TimeSpan.FromMilliseconds(150), () => Volatile.Read(ref computing),
            () => Volatile.Read(ref hangs) ? progress : ++progress, notifier, _log);
        for (int i = 0; i < 3; i++) Assert.Equal("WATCHDOG=1", Receive(systemd));
        Volatile.Write(ref computing, true);
        for (int i = 0; i < 3; i++) Assert.Equal("WATCHDOG=1", Receive(systemd));
        Volatile.Write(ref hangs, true);
        systemd.ReceiveTimeout = 1000;
        Assert.Throws<SocketException>(() =>
        {
            for (int i = 0; i < 10; i++) Receive(systemd); // what was under way, then nothing
        });
        Assert.Contains("<3>the engine computes and gets no further", _text.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_run_without_an_end_is_noticed_by_the_next()
    {
        string folder = Directory.CreateTempSubdirectory().FullName;
        var model = new ServedModel("m", "/m.gguf", "llama", 1, "F32", 100, default);
        using (RunMarker.Leave(folder, model, _log)) { }
        using (RunMarker.Leave(folder, model, _log)) { }
        Assert.Empty(_text.ToString());
        RunMarker.Leave(folder, model, _log); // and the power goes
        using (RunMarker.Leave(folder, model with { Size = 50 }, _log)) { }
        Assert.Contains("the last run had no end", _text.ToString(), StringComparison.Ordinal);
        Assert.Contains("100 bytes /m.gguf, now it is 50 bytes", _text.ToString(), StringComparison.Ordinal);
        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public void A_state_directory_that_cannot_be_written_costs_only_a_warning()
    {
        Assert.Null(RunMarker.Leave("/proc/nonexistent", new ServedModel("m", "/m.gguf", "llama", 1, "F32", 100, default), _log));
        Assert.StartsWith("<4>the state directory /proc/nonexistent can't be written", _text.ToString(), StringComparison.Ordinal);
    }

    private static Socket Bind(string path)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified) { ReceiveTimeout = 10_000 };
        socket.Bind(new UnixDomainSocketEndPoint(path[0] == '@' ? '\0' + path[1..] : path));
        return socket;
    }

    private static string Receive(Socket socket)
    {
        byte[] buffer = new byte[4096];
        return Encoding.UTF8.GetString(buffer, 0, socket.Receive(buffer));
    }
}
