using System.ClientModel;
using Microsoft.Extensions.AI;
using Microsoft.SemanticKernel;
using Microsoft.SemanticKernel.ChatCompletion;
using Microsoft.SemanticKernel.Connectors.OpenAI;
using OpenAI;

namespace EdgeLlm.Tools.NuGetClients;

/// <summary>Semantic Kernel's connector for OpenAI's API.</summary>
internal static class SemanticKernelCells
{
    private const string Name = "SK OpenAI";

    public static IEnumerable<Cell> Of(Service service)
    {
        var client = new OpenAIClient(new ApiKeyCredential(service.Key), OpenAiCells.OptionsOf(service));
        IKernelBuilder builder = Kernel.CreateBuilder();
        builder.AddOpenAIChatCompletion(Service.Model, client).AddOpenAIEmbeddingGenerator(Service.Model, client);
        Kernel kernel = builder.Build();
        IChatCompletionService chat = kernel.GetRequiredService<IChatCompletionService>();
        var history = new ChatHistory("You are brief.");
        history.AddUserMessage(Service.Question);
        var weather = new ChatHistory();
        weather.AddUserMessage(Service.Weather);
        static OpenAIPromptExecutionSettings Few(int tokens = 16) => new() { Temperature = 0, MaxTokens = tokens };

        yield return new(Name, "chat", async () => Expect.Text((await chat.GetChatMessageContentAsync(history, Few())).Content));
        yield return new(Name, "stream",
            () => Expect.StreamAsync(chat.GetStreamingChatMessageContentsAsync(history, Few()), piece => piece.Content));
        yield return new(Name, "abort", () => Expect.AbandonAsync(
            stop => chat.GetStreamingChatMessageContentsAsync(history, Few(2000), cancellationToken: stop),
            () => chat.GetChatMessageContentAsync(history, Few(1))));
        yield return new(Name, "stop, seed, length", async () => Expect.Text((await chat.GetChatMessageContentAsync(
            history, new OpenAIPromptExecutionSettings
            {
                MaxTokens = 60,
                Seed = 3,
                TopP = 0.9,
                FrequencyPenalty = 0.1,
                PresencePenalty = 0.1,
                StopSequences = [" the"]
            })).Content));
        yield return new(Name, "tools", async () =>
        {
            KernelFunction function =
                KernelFunctionFactory.CreateFromMethod((string city) => "sunny in " + city, "weather", "The weather of a city.");
            OpenAIPromptExecutionSettings asked = Few(120);
            asked.FunctionChoiceBehavior = FunctionChoiceBehavior.Required([function], autoInvoke: false);
            ChatMessageContent answer = await chat.GetChatMessageContentAsync(weather, asked, kernel);
            Expect.True(Microsoft.SemanticKernel.FunctionCallContent.GetFunctionCalls(answer)
                .First().Arguments?.ContainsName("city") == true, answer.ToString());
        });
        yield return new(Name, "tool_choice none, tools []", async () =>
        {
            OpenAIPromptExecutionSettings asked = Few();
            asked.FunctionChoiceBehavior = FunctionChoiceBehavior.None();
            Expect.Text((await chat.GetChatMessageContentAsync(history, asked, kernel)).Content);
        });
        yield return new(Name, "structured output", async () =>
        {
            OpenAIPromptExecutionSettings asked = Few(200);
            asked.ResponseFormat = typeof(ExtensionsCells.Forecast);
            string text = (await chat.GetChatMessageContentAsync(weather, asked)).Content!;
            Expect.True(text.Contains("city", StringComparison.OrdinalIgnoreCase) && text.TrimEnd().EndsWith('}'), text);
        });
        yield return new(Name, "embeddings", async () => Expect.True(
            (await kernel.GetRequiredService<IEmbeddingGenerator<string, Embedding<float>>>().GenerateAsync(["a", "b"]))[1].Vector.Length
                == Service.Width, "another width"));
    }
}
