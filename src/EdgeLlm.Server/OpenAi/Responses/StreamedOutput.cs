using System.Text;
using System.Text.Json;

namespace EdgeLlm.Server.OpenAi.Responses;

/// <summary>The items of a response while they come.</summary>
internal sealed class StreamedOutput
{
    /// <summary>Items that are whole.</summary>
    public List<OutputItem> Done { get; } = [];

    /// <summary>The item that text is appended to; null between two.</summary>
    public StreamedItem? Open { get; private set; }

    /// <summary>The open item's place.</summary>
    public int Index => Done.Count;

    /// <summary>Whether the open item is a thought.</summary>
    public bool IsThought => Open?.IsThought == true;

    /// <summary>Id of the call's item that is open.</summary>
    public string CallItemId { get; private set; } = "";

    public void BeginCall(string callId) => CallItemId = CallItemIdOf(callId);

    /// <summary>The id of a call's item, which is another than the call's.</summary>
    public static string CallItemIdOf(string callId) => "fc_" + callId.Replace("call_", "", StringComparison.Ordinal);

    public void Begin(bool isThought) => Open = new StreamedItem(isThought);

    public void End(OutputItem item)
    {
        Done.Add(item);
        Open = null;
    }
}

/// <summary>An item with one text that grows.</summary>
internal sealed class StreamedItem(bool isThought)
{
    private static readonly JsonElement None = JsonSerializer.Deserialize("[]", OpenAiJson.Default.JsonElement);

    private readonly StringBuilder _text = new();
    private readonly List<TokenProbability> _tokens = [];

    public string Id { get; } = (isThought ? "rs_" : "msg_") + Guid.NewGuid().ToString("N");

    public bool IsThought => isThought;

    public void Append(string text, IReadOnlyList<TokenProbability> tokens)
    {
        _text.Append(text);
        _tokens.AddRange(tokens);
    }

    /// <summary>The text so far, or where it is to be empty, the part that begins.</summary>
    public OutputPart Part(bool isEmpty) => isThought
        ? new OutputPart("reasoning_text", isEmpty ? "" : _text.ToString())
        : new OutputPart("output_text", isEmpty ? "" : _text.ToString()) { Annotations = None, Logprobs = isEmpty ? [] : [.. _tokens] };

    public OutputItem Item(string status, bool isEmpty)
    {
        OutputPart[] content = isEmpty ? [] : [Part(isEmpty: false)];
        return isThought
            ? new OutputItem(Id, "reasoning") { Summary = [], Content = content, Status = status }
            : new OutputItem(Id, "message") { Status = status, Role = "assistant", Content = content };
    }
}
