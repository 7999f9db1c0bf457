using System.Net;
using System.Net.Sockets;
using System.Text;
using EdgeLlm.Server.Settings;

namespace EdgeLlm.Server.Tests.Http;

public sealed class ConnectionsTests
{
    [Theory]
    [InlineData("")]
    [InlineData("POST /api/chat HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{")]
    public async Task Idle_connections_give_way_to_new_ones_and_those_at_work_do_not(string sent)
    {
        await using TestServer server = await TestServer.StartSlowAsync(new ServerOptions { Connections = 8, StopSeconds = 0 });
        using HttpResponseMessage running = await server.BeginComputingAsync("/api/chat",
            """{"model":"tiny","options":{"num_predict":40},"messages":[{"role":"user","content":"Hi"}]}""");
        var idle = new List<TcpClient>();
        for (int i = 0; i < 30; i++)
        {
            var client = new TcpClient();
            await client.ConnectAsync(IPAddress.Loopback, server.Server.Address.Port);
            await client.GetStream().WriteAsync(Encoding.ASCII.GetBytes(sent));
            idle.Add(client);
        }
        using var other = new HttpClient { BaseAddress = server.Server.Address };
        Assert.Equal(HttpStatusCode.OK, (await other.GetAsync("/health/live")).StatusCode);
        while (server.Server.Connections.Open > 9) await Task.Delay(5);
        Assert.Contains("\"done\":true", await running.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        // The longest idle ones were closed.
        byte[] one = new byte[1];
        await Assert.ThrowsAnyAsync<IOException>(async () => await idle[0].GetStream().ReadExactlyAsync(one));
        foreach (TcpClient client in idle) client.Dispose();
        other.Dispose();
        server.Client.Dispose();
        while (server.Server.Connections.Open > 0) await Task.Delay(5);
    }
}
