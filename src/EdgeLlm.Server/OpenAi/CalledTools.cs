using System.Text.Json;
using EdgeLlm.Chat;
using EdgeLlm.Chat.Tools;
using EdgeLlm.Server.Answers;

namespace EdgeLlm.Server.OpenAi;

/// <summary>Calls of tools as OpenAI's chat API gives them.</summary>
internal static class CalledTools
{
    /// <summary>A whole answer's message.</summary>
    /// <param name="asFunction">Whether the request had the old `functions`.</param>
    public static ResponseMessage MessageOf(AnswerRun run, WholeAnswer answer, bool asFunction)
    {
        ResponseToolCall[] calls = [.. answer.Calls.Select(call => CallOf(run, call))];
        return new ResponseMessage("assistant")
        {
            Content = answer.Text.Length > 0 || calls.Length == 0 ? answer.Text : null,
            ReasoningContent = answer.Thought.Length > 0 ? answer.Thought : null,
            ToolCalls = calls.Length > 0 && !asFunction ? calls : null,
            FunctionCall = calls.Length > 0 && asFunction ? calls[0].Function : null,
        };
    }

    /// <summary>The calls in a piece of a stream.</summary>
    public static IEnumerable<Delta> DeltasOf(AnswerRun run, ChoicePiece piece, bool asFunction)
    {
        foreach (AnswerPart part in piece.Calls)
        {
            if (CallOf(run, piece.Choice, part) is not { } call) continue;
            yield return asFunction ? new Delta { FunctionCall = call.Function } : new Delta { ToolCalls = [call] };
        }
    }

    /// <summary>The text of a custom tool's call; its arguments as they are where they were cut off.</summary>
    public static string InputOf(ChatToolCall call)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(call.Arguments);
            if (document.RootElement is { ValueKind: JsonValueKind.Object } members
                && members.TryGetProperty(ToolDefinition.Input, out JsonElement input) && input.ValueKind == JsonValueKind.String)
                return input.GetString()!;
        }
        catch (JsonException)
        {
            // Cut off.
        }
        return call.Arguments;
    }

    private static ResponseToolCall CallOf(AnswerRun run, ChatToolCall call) => IsCustom(run, call.Name)
        ? new ResponseToolCall { Id = call.Id, Type = "custom", Custom = new CalledCustom(call.Name, InputOf(call)) }
        : new ResponseToolCall { Id = call.Id, Type = "function", Function = new CalledFunction(call.Name, call.Arguments) };

    /// <summary>A part of a call; null where it says nothing: a custom tool's text comes whole.</summary>
    private static ResponseToolCall? CallOf(AnswerRun run, int choice, AnswerPart part)
    {
        var piece = new ResponseToolCall { Index = part.Call };
        if (part.Kind == AnswerPartKind.CallBegin)
        {
            return IsCustom(run, part.Tool)
                ? piece with { Id = part.Id, Type = "custom", Custom = new CalledCustom(part.Text, "") }
                : piece with { Id = part.Id, Type = "function", Function = new CalledFunction(part.Text, "") };
        }
        bool isCustom = IsCustom(run, part.Tool);
        if (part.Kind == AnswerPartKind.CallArguments)
            return isCustom ? null : piece with { Function = new CalledFunction(null, part.Text) };
        return isCustom ? piece with { Custom = new CalledCustom(null, InputOf(run.CallsOf(choice)[part.Call])) } : null;
    }

    private static bool IsCustom(AnswerRun run, string name) => run.FindTool(name)?.IsCustom == true;
}
