using System.Globalization;
using System.Text.Json;
using EdgeLlm.Chat;
using EdgeLlm.Chat.Tools;
using EdgeLlm.Generation;
using EdgeLlm.Generation.Tools;
using EdgeLlm.Sampling;
using EdgeLlm.Sampling.Constraints;
using Microsoft.Extensions.AI;
using AiMessage = Microsoft.Extensions.AI.ChatMessage;
using OurMessage = EdgeLlm.Chat.ChatMessage;

namespace EdgeLlm.Extensions.AI;

/// <summary>Messages and options of Microsoft.Extensions.AI as ours.</summary>
internal static class ChatMapping
{
    public static ChatRequest ToRequest(IReadOnlyList<AiMessage> messages, ChatOptions? options)
    {
        Unsupported.Refuse(messages);
        var turns = new List<OurMessage>();
        if (options?.Instructions is { Length: > 0 } instructions) turns.Add(new OurMessage("system", instructions));
        foreach (AiMessage message in messages) turns.AddRange(ToTurns(message));
        return new ChatRequest { Messages = turns };
    }

    /// <summary>The tools and whether one has to be called.</summary>
    /// <exception cref="ArgumentException">A tool can't be offered; the message names it.</exception>
    public static ToolCalling ToTools(ChatFormat format, ChatOptions? options)
    {
        ToolDefinition[] tools =
            [.. (options?.Tools ?? []).OfType<AIFunctionDeclaration>().Select(function => new ToolDefinition(function.Name)
        {
            Description = function.Description,
            Parameters = function.JsonSchema is { ValueKind: JsonValueKind.Object } schema ? schema : null,
            IsStrict = function.AdditionalProperties.TryGetValue("strict", out object? strict) && strict is true,
        })];
        ToolChoice choice = options?.ToolMode switch
        {
            NoneChatToolMode => ToolChoice.None,
            RequiredChatToolMode { RequiredFunctionName: { } name } => ToolChoice.Named(name),
            RequiredChatToolMode => ToolChoice.Required,
            _ => ToolChoice.Auto,
        };
        try
        {
            return ToolCalling.Create(format, tools, choice, options?.AllowMultipleToolCalls != false,
                i => $"Tools[{i}] ({tools[i].Name})");
        }
        catch (ToolException exception)
        {
            throw new ArgumentException(exception.Message, nameof(options));
        }
    }

    /// <summary>A call as content; one that was cut off has an exception in the place of arguments.</summary>
    public static FunctionCallContent ToContent(ChatToolCall call)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(call.Arguments);
            return new FunctionCallContent(call.Id ?? "", call.Name,
                document.RootElement.EnumerateObject().ToDictionary(member => member.Name, object? (member) => member.Value.Clone()));
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException or ArgumentException)
        {
            return new FunctionCallContent(call.Id ?? "", call.Name) { Exception = exception };
        }
    }

    /// <summary>Temperature and top-p default to 1 where a caller says nothing of either, top-k and min-p to ours.</summary>
    public static GenerationOptions ToGeneration(ChatOptions? options)
    {
        var defaults = new SamplingOptions();
        var generation = new GenerationOptions
        {
            MaxTokens = options?.MaxOutputTokens ?? 0,
            StopStrings = options?.StopSequences is { } stops ? [.. stops] : [],
            Constraint = ToConstraint(options?.ResponseFormat),
            Sampling = defaults with
            {
                Temperature = options?.Temperature ?? defaults.Temperature,
                TopP = options?.TopP ?? defaults.TopP,
                TopK = options?.TopK ?? defaults.TopK,
                MinP = Extra(options, "min_p", defaults.MinP),
                TypicalP = Extra(options, "typical_p", defaults.TypicalP),
                RepeatPenalty = Extra(options, "repeat_penalty", defaults.RepeatPenalty),
                RepeatLastN = (int)Extra(options, "repeat_last_n", defaults.RepeatLastN),
                FrequencyPenalty = options?.FrequencyPenalty ?? 0,
                PresencePenalty = options?.PresencePenalty ?? 0,
                Seed = (ulong?)options?.Seed,
            },
        };
        generation.Validate();
        return generation;
    }

    private static OutputConstraint? ToConstraint(ChatResponseFormat? format) =>
        format is not ChatResponseFormatJson json ? null : json.Schema is { } schema ? OutputConstraint.JsonSchema(schema)
            : OutputConstraint.AnyJsonObject;

    private static IEnumerable<OurMessage> ToTurns(AiMessage message)
    {
        // One message of tool results is one turn per result.
        FunctionResultContent[] results = [.. message.Contents.OfType<FunctionResultContent>()];
        foreach (FunctionResultContent result in results)
            yield return new OurMessage("tool", TextOf(result.Result)) { ToolCallId = result.CallId };
        if (results.Length > 0) yield break;
        yield return new OurMessage(Unsupported.NameOf(message.Role), message.Text)
        {
            Name = message.AuthorName,
            ToolCalls = [.. message.Contents.OfType<FunctionCallContent>()
                .Select(call => new ChatToolCall(call.CallId, call.Name, ToJsonText(call.Arguments)))],
            ReasoningContent = string.Concat(message.Contents.OfType<TextReasoningContent>()
                .Select(content => content.Text)) is { Length: > 0 } thoughts ? thoughts : null,
        };
    }

    private static string TextOf(object? result) => result switch
    {
        null => "null",
        string text => text,
        JsonElement { ValueKind: JsonValueKind.String } element => element.GetString()!,
        JsonElement element => element.GetRawText(),
        IFormattable value => value.ToString(null, CultureInfo.InvariantCulture),
        _ => result.ToString() ?? "",
    };

    private static string ToJsonText(IDictionary<string, object?>? arguments)
    {
        using var json = new MemoryStream();
        using (var writer = new Utf8JsonWriter(json))
        {
            writer.WriteStartObject();
            foreach ((string name, object? value) in arguments ?? new Dictionary<string, object?>())
            {
                writer.WritePropertyName(name);
                JsonSerializer.Serialize(writer, value, AIJsonUtilities.DefaultOptions.GetTypeInfo(typeof(object)));
            }
            writer.WriteEndObject();
        }
        return System.Text.Encoding.UTF8.GetString(json.ToArray());
    }

    private static float Extra(ChatOptions? options, string name, float fallback) =>
        options?.AdditionalProperties?.GetValueOrDefault(name) switch
        {
            null => fallback,
            JsonElement { ValueKind: JsonValueKind.Number } number => number.GetSingle(),
            IConvertible number and not string => number.ToSingle(CultureInfo.InvariantCulture),
            _ => throw new ArgumentException($"AdditionalProperties: {name} must be a number", nameof(options)),
        };
}
