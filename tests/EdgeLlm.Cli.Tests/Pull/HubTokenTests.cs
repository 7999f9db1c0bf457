using EdgeLlm.Cli.Pull;

namespace EdgeLlm.Cli.Tests.Pull;

public sealed class HubTokenTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly Dictionary<string, string?> _variables = [];

    public HubTokenTests()
    {
        _variables["XDG_CACHE_HOME"] = _folder.PathOf("cache");
        _folder.Write("cache/huggingface/token", "hf_cache\n");
        _folder.Write("home/token", "hf_home");
        _folder.Write("named", "  hf_named\r\n");
    }

    [Fact]
    public void Each_place_counts_more_than_the_next()
    {
        Assert.Equal(new HubToken("hf_cache", _folder.PathOf("cache/huggingface/token")), Find());
        _variables["HF_HOME"] = _folder.PathOf("home");
        Assert.Equal("hf_home", Find()?.Value);
        _variables["HF_TOKEN_PATH"] = _folder.PathOf("named");
        Assert.Equal("hf_named", Find()?.Value);
        _variables["HF_TOKEN"] = "hf_variable";
        Assert.Equal(new HubToken("hf_variable", "HF_TOKEN"), Find());
    }

    [Fact]
    public void Without_a_file_there_is_none()
    {
        _variables["HF_TOKEN_PATH"] = _folder.PathOf("absent");
        Assert.Null(Find());
        _variables["HF_TOKEN_PATH"] = _folder.Write("empty", "\n");
        Assert.Null(Find());
    }

    [Fact]
    public void A_token_of_a_file_is_not_sent_where_only_asked_for_ones_are()
    {
        _variables["HF_HUB_DISABLE_IMPLICIT_TOKEN"] = "1";
        Assert.Null(Find());
        _variables["HF_TOKEN"] = "hf_variable";
        Assert.Equal("hf_variable", Find()?.Value);
    }

    [Fact]
    public void What_cannot_be_a_token_is_named_by_its_place_and_not_shown()
    {
        _variables["HF_TOKEN_PATH"] = _folder.Write("two-lines", "secret\nX-Header: 1");
        string message = Assert.Throws<IOException>(Find).Message;
        Assert.Contains("two-lines", message);
        Assert.DoesNotContain("secret", message);
        _variables["HF_TOKEN_PATH"] = _folder.Root;
        Assert.Contains("HF_TOKEN_PATH", Assert.Throws<IOException>(Find).Message);
    }

    public void Dispose() => _folder.Dispose();

    private HubToken? Find() => HubToken.Find(_variables.GetValueOrDefault);
}
