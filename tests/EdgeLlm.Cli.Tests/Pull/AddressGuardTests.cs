using System.Net;
using System.Net.Sockets;
using EdgeLlm.Cli.Pull;

namespace EdgeLlm.Cli.Tests.Pull;

/// <summary>Where a hub's redirects may lead, by names that a test resolves and connections that all end at one local server.</summary>
public sealed class AddressGuardTests
{
    private static readonly PullTiming Timing = new() { Connect = TimeSpan.FromSeconds(5), NoData = TimeSpan.FromSeconds(5) };

    private readonly List<IPAddress> _connected = [];

    [Theory]
    [InlineData("127.0.0.1", nameof(AddressKind.Loopback))]
    [InlineData("127.255.0.9", nameof(AddressKind.Loopback))]
    [InlineData("0.0.0.0", nameof(AddressKind.Loopback))]
    [InlineData("::1", nameof(AddressKind.Loopback))]
    [InlineData("::", nameof(AddressKind.Loopback))]
    [InlineData("::ffff:127.0.0.1", nameof(AddressKind.Loopback))]
    [InlineData("::127.0.0.1", nameof(AddressKind.Loopback))]
    [InlineData("64:ff9b::127.0.0.1", nameof(AddressKind.Loopback))]
    [InlineData("2002:7f00:1::", nameof(AddressKind.Loopback))]
    [InlineData("169.254.169.254", nameof(AddressKind.LinkLocal))]
    [InlineData("::ffff:169.254.169.254", nameof(AddressKind.LinkLocal))]
    [InlineData("fe80::1", nameof(AddressKind.LinkLocal))]
    [InlineData("febf::1", nameof(AddressKind.LinkLocal))]
    [InlineData("224.0.0.1", nameof(AddressKind.Multicast))]
    [InlineData("255.255.255.255", nameof(AddressKind.Multicast))]
    [InlineData("ff02::1", nameof(AddressKind.Multicast))]
    [InlineData("203.0.113.1", nameof(AddressKind.Ordinary))]
    [InlineData("192.168.1.1", nameof(AddressKind.Ordinary))]
    [InlineData("::ffff:8.8.8.8", nameof(AddressKind.Ordinary))]
    [InlineData("2001:db8::1", nameof(AddressKind.Ordinary))]
    public void An_address_is_what_it_leads_to(string address, string kind) =>
        Assert.Equal(kind, AddressGuard.KindOf(IPAddress.Parse(address)).ToString());

    [Theory]
    [InlineData("http://evil.test/x", "127.0.0.1")]
    [InlineData("http://evil.test/x", "::ffff:127.0.0.1")]
    [InlineData("http://evil.test/x", "0.0.0.0")]
    [InlineData("http://evil.test/x", "::1")]
    [InlineData("http://evil.test/x", "169.254.169.254")]
    [InlineData("http://evil.test/x", "::ffff:169.254.169.254")]
    [InlineData("http://evil.test/x", "fe80::1")]
    [InlineData("http://127.0.0.1/x", null)]
    [InlineData("http://2130706433/x", null)]
    [InlineData("http://0x7f.1/x", null)]
    [InlineData("http://[::1]/x", null)]
    [InlineData("http://[::ffff:169.254.169.254]/x", null)]
    [InlineData("http://localhost/x", null)]
    [InlineData("http://a.localhost/x", null)]
    public async Task A_redirect_never_reaches_this_machine_or_its_link(string target, string? address)
    {
        using var hub = new LocalHub(_ => HubResponse.Redirect(target));
        PullException exception = await Assert.ThrowsAsync<PullException>(() => GetAsync(hub, "198.51.100.1", address));
        Assert.Contains("refused", exception.Message);
        Assert.Equal([IPAddress.Parse("198.51.100.1")], _connected);
    }

    [Fact]
    public async Task Of_a_host_with_several_addresses_the_harmless_ones_are_used()
    {
        int asked = 0;
        using var hub = new LocalHub(_ => asked++ == 0 ? HubResponse.Redirect("http://other.test/x") : new HubResponse(200, [1]));
        Assert.Equal(HttpStatusCode.OK, await GetAsync(hub, "198.51.100.1", "127.0.0.1", "203.0.113.7"));
        Assert.Equal(IPAddress.Parse("203.0.113.7"), _connected[^1]);
    }

    [Fact]
    public async Task A_hub_on_this_machine_may_redirect_to_this_machine_and_not_to_its_link()
    {
        int asked = 0;
        using var hub = new LocalHub(_ => asked++ == 0 ? HubResponse.Redirect("http://other.test/x") : new HubResponse(200, [1]));
        Assert.Equal(HttpStatusCode.OK, await GetAsync(hub, "127.0.0.1", "127.0.0.2"));
        asked = 0;
        await Assert.ThrowsAsync<PullException>(() => GetAsync(hub, "127.0.0.1", "169.254.169.254"));
    }

    private async Task<HttpStatusCode> GetAsync(LocalHub hub, string hubAddress, params string?[] others)
    {
        int port = new Uri(hub.Address).Port;
        using var connection = new HubConnection("http://hub.test", null, Timing, uri => new AddressGuard(uri)
        {
            Resolve = (host, _) => Task.FromResult<IPAddress[]>(host == "hub.test" ? [IPAddress.Parse(hubAddress)]
                : [.. others.Select(address => IPAddress.Parse(address!))]),
            Open = async (addresses, _, cancellation) =>
            {
                _connected.AddRange(addresses);
                var client = new TcpClient();
                await client.ConnectAsync(IPAddress.Loopback, port, cancellation);
                return client.GetStream();
            },
        });
        using HttpResponseMessage response =
            await connection.GetAsync(new Uri("http://hub.test/m"), "m", 0, null, TestContext.Current.CancellationToken);
        return response.StatusCode;
    }
}
