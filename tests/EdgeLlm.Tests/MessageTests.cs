using System.Text;
using EdgeLlm.Chat;
using EdgeLlm.Gguf;
using EdgeLlm.Models;
using EdgeLlm.Quantization;
using EdgeLlm.Tests.Chat;
using EdgeLlm.Tests.Gguf;
using EdgeLlm.Tokenization;

namespace EdgeLlm.Tests;

/// <summary>Errors quote what files say: a terminal or a log that shows them gets one line, without characters that steer it.</summary>
public sealed class MessageTests : IDisposable
{
    private const string Hostile = "a\u001b[2J\nb\u202e\u2028c";

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void An_architecture_is_quoted_without_control_characters()
    {
        var writer = new GgufWriter();
        writer.Set("general.architecture", GgufValue.Of(Hostile));
        using GgufFile file = GgufFile.Open(_folder.Write("model.gguf", writer.ToArray()));
        RequireOneLine(Assert.Throws<ModelException>(() => ModelLoader.ReadSpec(file)));
    }

    [Fact]
    public void A_key_is()
    {
        // Our writer refuses such a name: it is put into the bytes.
        string harmless = new('k', Encoding.UTF8.GetByteCount(Hostile));
        var writer = new GgufWriter();
        writer.Set(harmless, GgufValue.Of(true));
        byte[] bytes = writer.ToArray();
        Encoding.UTF8.GetBytes(Hostile).CopyTo(bytes, bytes.AsSpan().IndexOf(Encoding.UTF8.GetBytes(harmless)));
        RequireOneLine(Assert.Throws<GgufException>(() =>
        {
            using GgufFile file = GgufFile.Open(_folder.Write("model.gguf", bytes));
            file.Metadata.GetInt32(Hostile);
        }));
    }

    [Fact]
    public void A_tokenizer_s_field_is() => RequireOneLine(new TokenizerException($"tokenizer.ggml.model '{Hostile}' is not known"));

    [Theory]
    [InlineData("{{ 1 \u001b 2 }}")]
    [InlineData("{{ raise_exception('a\u0007\\nb') }}")]
    [InlineData("{{ x.\u202e }}")]
    public void What_a_chat_template_says_is(string template) => RequireOneLine(TemplateText.Failure(template));

    [Fact]
    public void A_tensor_of_an_importance_matrix_is()
    {
        byte[] name = [.. "a\n\u001b"u8];
        byte[] bytes = [.. BitConverter.GetBytes(1), .. BitConverter.GetBytes(name.Length), .. name, .. BitConverter.GetBytes(1),
            .. BitConverter.GetBytes(1 << 20)];
        RequireOneLine(Assert.Throws<InvalidDataException>(() => ImportanceMatrix.Read(_folder.Write("importance.dat", bytes))));
    }

    [Theory]
    [InlineData(new byte[] { (byte)'{', (byte)'"', 0xFF, (byte)'"', (byte)':', (byte)'1', (byte)'}' })]
    [InlineData(new byte[] { (byte)'{', (byte)'"', (byte)'a', (byte)'"', (byte)':', (byte)'"', 0xFF, (byte)'"', (byte)'}' })]
    public void Variables_that_are_no_UTF_8_are_refused_as_such(byte[] json)
    {
        using var document = System.Text.Json.JsonDocument.Parse(json);
        var template = ChatTemplate.Parse("x");
        Assert.Contains("not valid Unicode", Assert.Throws<ChatTemplateException>(() => template.Render(document.RootElement)).Message);
        var request = new ChatRequest { Messages = [new ChatMessage("user", "hi")], Variables = document.RootElement };
        Assert.Contains("not valid Unicode", Assert.Throws<ChatTemplateException>(() => template.Render(request)).Message);
    }

    [Fact]
    public void Arguments_of_a_tool_call_may_be_any_text()
    {
        var call = new ChatMessage("assistant", "") { ToolCalls = [new ChatToolCall("1", "f", "{\"a\": \"\ud800\"}")] };
        var template = ChatTemplate.Parse(
            "{% for m in messages %}{% for c in m.tool_calls or [] %}{{ c.function.name }}{% endfor %}{{ m.content }}{% endfor %}");
        Assert.Contains("f", template.Render(new ChatRequest { Messages = [new ChatMessage("user", "hi"), call] }).Text);
    }

    private static void RequireOneLine(Exception exception)
    {
        Assert.DoesNotContain(exception.Message, letter => char.IsControl(letter) || letter is '\u202e' or '\u2028');
        Assert.NotEqual("", exception.Message);
    }
}
