using System.ClientModel;
using System.ClientModel.Primitives;
using OpenAI;
using OpenAI.Chat;
using OpenAI.Embeddings;
using OpenAI.Models;
using OpenAI.Responses;

namespace EdgeLlm.Tools.NuGetClients;

/// <summary>OpenAI's own package.</summary>
internal static class OpenAiCells
{
    private const string Name = "NuGet OpenAI";

    private static readonly ChatTool Tool =
        ChatTool.CreateFunctionTool("weather", "The weather of a city.", BinaryData.FromString(Service.Schema));

    public static IEnumerable<Cell> Of(Service service)
    {
        var key = new ApiKeyCredential(service.Key);
        OpenAIClientOptions options = OptionsOf(service);
        var chat = new ChatClient(Service.Model, key, options);
        var models = new OpenAIModelClient(key, options);
        ChatMessage[] messages = [new SystemChatMessage("You are brief."), new UserChatMessage("Hi"), new AssistantChatMessage("Hello."),
            new UserChatMessage(Service.Question)];
        ChatMessage[] weather = [new UserChatMessage(Service.Weather)];

        static ChatCompletionOptions Few(int tokens = 16) => new() { Temperature = 0, MaxOutputTokenCount = tokens };
        async Task<ChatCompletion> AskAsync(ChatMessage[] turns, ChatCompletionOptions given) => await chat.CompleteChatAsync(turns, given);

        yield return new(Name, "chat", async () => Expect.Text((await AskAsync(messages, Few())).Content[0].Text));
        yield return new(Name, "stream", async () =>
        {
            string text = await Expect.StreamAsync(chat.CompleteChatStreamingAsync(messages, Few()),
                piece => piece.ContentUpdate.Count > 0 ? piece.ContentUpdate[0].Text : "");
            Expect.True(text == (await AskAsync(messages, Few())).Content[0].Text, "the stream is another answer");
        });
        yield return new(Name, "abort",
            () =>
                Expect.AbandonAsync(stop => chat.CompleteChatStreamingAsync(messages, Few(2000), stop), () => AskAsync(messages, Few(1))));
        yield return new(Name, "stop, seed, length", async () =>
        {
            ChatCompletionOptions stop = Few(60);
            stop.StopSequences.Add(" the");
            Expect.True((await AskAsync(messages, stop)).FinishReason == ChatFinishReason.Stop, "it did not stop");
            async Task<string> SeededAsync() =>
                (await AskAsync(messages, new() { Temperature = 1, Seed = 3, MaxOutputTokenCount = 12 })).Content[0].Text;
            Expect.True(await SeededAsync() == await SeededAsync(), "a seed gave two answers");
        });
        yield return new(Name, "models", async () =>
        {
            Expect.True((await models.GetModelsAsync()).Value[0].Id == Service.Model, "another model is first");
            Expect.True((await models.GetModelAsync(Service.Model)).Value.Id == Service.Model, "another model");
        });
        (string, ChatToolChoice)[] choices =
            [("required", ChatToolChoice.CreateRequiredChoice()), ("named", ChatToolChoice.CreateFunctionChoice("weather"))];
        foreach ((string how, ChatToolChoice choice) in choices)
        {
            yield return new(Name, $"tools, {how}", async () =>
            {
                ChatCompletionOptions asked = Few(120);
                asked.Tools.Add(Tool);
                asked.ToolChoice = choice;
                Expect.City((await AskAsync(weather, asked)).ToolCalls[0].FunctionArguments.ToString());
                string streamed = "";
                await foreach (StreamingChatCompletionUpdate update in chat.CompleteChatStreamingAsync(weather, asked))
                    streamed += string.Concat(update.ToolCallUpdates.Where(call => call.Index == 0)
                        .Select(call => call.FunctionArgumentsUpdate?.ToString()));
                Expect.City(streamed);
            });
        }
        yield return new(Name, "structured output", async () =>
        {
            ChatCompletionOptions asked = Few(80);
            asked.ResponseFormat =
                ChatResponseFormat.CreateJsonSchemaFormat("weather", BinaryData.FromString(Service.Schema), jsonSchemaIsStrict: true);
            Expect.City((await AskAsync(weather, asked)).Content[0].Text);
        });
        yield return new(Name, "logprobs", async () =>
        {
            ChatCompletionOptions asked = Few(4);
            (asked.IncludeLogProbabilities, asked.TopLogProbabilityCount) = (true, 3);
            Expect.True((await AskAsync(messages, asked)).ContentTokenLogProbabilities[0].TopLogProbabilities.Count == 3, "not three");
        });
        yield return new(Name, "embeddings", async () =>
        {
            OpenAIEmbeddingCollection vectors = await new EmbeddingClient(Service.Model, key, options).GenerateEmbeddingsAsync(["a", "b"]);
            Expect.True(vectors.Count == 2 && vectors[1].ToFloats().Length == Service.Width, "another width");
        });
        yield return new(Name, "responses", async () =>
        {
            var responses =
                new ResponsesClient(key, new ResponsesClientOptions { Endpoint = service.OpenAi, RetryPolicy = new ClientRetryPolicy(0) });
            ResponseResult first = await responses.CreateResponseAsync(Service.Model, "Say hello.");
            Expect.Text(first.GetOutputText());
            ResponseResult again = await responses.GetResponseAsync(first.Id);
            Expect.True(again.Id == first.Id, "another response");
            await responses.DeleteResponseAsync(first.Id);
            await Expect.RefusedAsync(() => responses.GetResponseAsync(first.Id), "404");
        });
        yield return new(Name, "pictures", () => Expect.RefusedAsync(
            () =>
                AskAsync([new UserChatMessage(ChatMessageContentPart.CreateImagePart(BinaryData.FromBytes(Service.Picture), "image/png"))],
                    Few()), "reads text only"));
        yield return new(Name, "wrong model, wrong key", async () =>
        {
            await Expect.RefusedAsync(() => new ChatClient("gpt-4", key, options).CompleteChatAsync(messages), "gpt-4");
            await Expect.RefusedAsync(() => new OpenAIModelClient(new ApiKeyCredential("wrong"), options).GetModelsAsync(), "401");
        });
    }

    /// <summary>The service's address, without second tries.</summary>
    public static OpenAIClientOptions OptionsOf(Service service) =>
        new() { Endpoint = service.OpenAi, RetryPolicy = new ClientRetryPolicy(0) };
}
