using System.ClientModel;
using System.ComponentModel;
using Microsoft.Extensions.AI;
using OpenAI;

namespace EdgeLlm.Tools.NuGetClients;

/// <summary>Microsoft.Extensions.AI over OpenAI's package: chat completions and responses.</summary>
internal static class ExtensionsCells
{
    public static IEnumerable<Cell> Of(Service service)
    {
        var client = new OpenAIClient(new ApiKeyCredential(service.Key), OpenAiCells.OptionsOf(service));
        foreach (Cell cell in Of("MEAI.OpenAI", client.GetChatClient(Service.Model).AsIChatClient(), takesToolChoice: true))
            yield return cell;
        foreach (Cell cell in Of("MEAI.OpenAI responses", client.GetResponsesClient().AsIChatClient(Service.Model), takesToolChoice: true))
            yield return cell;
        yield return new("MEAI.OpenAI", "embeddings", async () => Expect.True(
            (await client.GetEmbeddingClient(Service.Model).AsIEmbeddingGenerator().GenerateAsync(["a", "b"]))[1].Vector.Length
                == Service.Width, "another width"));
    }

    /// <summary>What every IChatClient has.</summary>
    /// <param name="takesToolChoice">Whether its API can require a call; Ollama's can't.</param>
    public static IEnumerable<Cell> Of(string name, IChatClient chat, bool takesToolChoice)
    {
        ChatMessage[] messages = [new(ChatRole.System, "You are brief."), new(ChatRole.User, "Hi"), new(ChatRole.Assistant, "Hello."),
            new(ChatRole.User, Service.Question)];
        static ChatOptions Few(int tokens = 16) => new() { Temperature = 0, MaxOutputTokens = tokens };
        yield return new(name, "chat", async () => Expect.Text((await chat.GetResponseAsync(messages, Few())).Text));
        yield return new(name, "stream", () => Expect.StreamAsync(chat.GetStreamingResponseAsync(messages, Few()), update => update.Text));
        yield return new(name, "abort",
            () => Expect.AbandonAsync(stop => chat.GetStreamingResponseAsync(messages, Few(2000), stop),
                () => chat.GetResponseAsync(messages, Few(1))));
        yield return new(name, "tools", async () =>
        {
            AIFunction weather =
                AIFunctionFactory.Create(([Description("A city.")] string city) => "sunny in " + city, "weather", "The weather of a city.");
            ChatOptions asked = Few(160);
            asked.Tools = [weather];
            if (takesToolChoice) asked.ToolMode = ChatToolMode.RequireSpecific("weather");
            ChatResponse answer = await chat.GetResponseAsync(Service.Weather, asked);
            FunctionCallContent? call = answer.Messages.SelectMany(turn => turn.Contents).OfType<FunctionCallContent>().FirstOrDefault();
            if (takesToolChoice) Expect.True(call?.Arguments?.ContainsKey("city") == true, answer.Text);
            else Expect.True(call is not null || answer.Text.Length > 0, "neither a call nor text");
        });
        yield return new(name, "structured output",
            async () => Expect.Text((await chat.GetResponseAsync<Forecast>(Service.Weather, Few(200))).Result.City + "    "));
        yield return new(name, "pictures", () => Expect.RefusedAsync(
            () => chat.GetResponseAsync([new(ChatRole.User, [new TextContent("x"), new DataContent(Service.Picture, "image/png")])], Few()),
            "text only"));
    }

    /// <summary>The form of a structured answer.</summary>
    internal sealed record Forecast(string City, int Degrees);
}
