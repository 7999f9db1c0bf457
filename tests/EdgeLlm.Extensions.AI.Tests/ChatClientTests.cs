using EdgeLlm.Models;
using EdgeLlm.Tests;
using Microsoft.Extensions.AI;

namespace EdgeLlm.Extensions.AI.Tests;

public sealed class ChatClientTests
{
    private static readonly ChatOptions Greedy = new() { Temperature = 0, MaxOutputTokens = 8 };

    [Fact]
    public async Task A_response_has_text_usage_and_the_reason_of_its_end()
    {
        using EdgeLlmChatClient client = Open();
        ChatResponse response = await client.GetResponseAsync("Hello!", Greedy);
        Assert.NotEmpty(response.Text);
        Assert.Equal(ChatFinishReason.Length, response.FinishReason);
        Assert.Equal(8, response.Usage!.OutputTokenCount);
        Assert.True(response.Usage.InputTokenCount > 5);
        Assert.Equal(ChatRole.Assistant, Assert.Single(response.Messages).Role);
    }

    [Fact]
    public async Task Updates_share_their_ids_and_join_to_the_response()
    {
        using EdgeLlmChatClient client = Open();
        var updates = new List<ChatResponseUpdate>();
        await foreach (ChatResponseUpdate update in client.GetStreamingResponseAsync([new ChatMessage(ChatRole.User, "Hello!")], Greedy))
            updates.Add(update);
        Assert.True(updates.Count > 2);
        Assert.Single(updates.Select(update => update.ResponseId).Distinct());
        Assert.Single(updates.Select(update => update.MessageId).Distinct());
        Assert.All(updates, update => Assert.Equal(ChatRole.Assistant, update.Role));
        Assert.Equal((await client.GetResponseAsync("Hello!", Greedy)).Text, updates.ToChatResponse().Text);
        Assert.Single(updates.SelectMany(update => update.Contents).OfType<UsageContent>());
    }

    [Fact]
    public async Task Instructions_are_a_system_prompt()
    {
        using EdgeLlmChatClient client = Open();
        ChatResponse given =
            await client.GetResponseAsync([new(ChatRole.System, "Speak like a pirate."), new(ChatRole.User, "Hello!")], Greedy);
        ChatOptions options = Greedy.Clone();
        options.Instructions = "Speak like a pirate.";
        Assert.Equal(given.Text, (await client.GetResponseAsync("Hello!", options)).Text);
    }

    [Fact]
    public async Task Requests_at_once_get_what_each_gets_alone()
    {
        using EdgeLlmChatClient client = Open();
        string[] questions = ["Hello!", "What is water?", "Name a colour."];
        var alone = new List<string>();
        foreach (string question in questions) alone.Add((await client.GetResponseAsync(question, Greedy)).Text);
        string[] together = await Task.WhenAll(questions.Select(async question => (await client.GetResponseAsync(question, Greedy)).Text));
        Assert.Equal(alone, together);
    }

    [Fact]
    public async Task Cancelling_ends_a_stream()
    {
        using EdgeLlmChatClient client = Open();
        using var stop = new CancellationTokenSource();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
        {
            await foreach (ChatResponseUpdate _ in client.GetStreamingResponseAsync([new ChatMessage(ChatRole.User, "Tell a story.")],
                cancellationToken: stop.Token))
                stop.Cancel();
        });
        Assert.NotEmpty((await client.GetResponseAsync("Hello!", Greedy)).Text);
    }

    [Fact]
    public async Task Wrong_calls_are_refused()
    {
        using EdgeLlmChatClient client = Open();
        await Assert.ThrowsAsync<ArgumentNullException>(() => client.GetResponseAsync((IEnumerable<ChatMessage>)null!));
        await Assert.ThrowsAnyAsync<ArgumentException>(() => client.GetResponseAsync("Hello!", new ChatOptions { Temperature = -1 }));
        Assert.NotNull(client.GetService<ChatClientMetadata>());
        Assert.NotNull(client.GetService<LanguageModel>());
        Assert.Same(client, client.GetService<IChatClient>());
        Assert.Null(client.GetService(typeof(string)));
    }

    [Fact]
    public async Task Embeddings_have_length_one_and_like_texts_are_near()
    {
        using var model =
            LanguageModel.Load(SharedFolder.Require("models", "SmolLM2-135M-Instruct.Q4_1.gguf"), new ModelOptions { ContextLength = 256 });
        using var generator = new EdgeLlmEmbeddingGenerator(model);
        GeneratedEmbeddings<Embedding<float>> embeddings =
            await generator.GenerateAsync(["The cat sat on the mat.", "A cat is sitting on a mat.", "Interest rates rose by two percent."]);
        Assert.All(embeddings, embedding => Assert.InRange(embedding.Vector.ToArray().Sum(x => (double)x * x), 0.9999, 1.0001));
        Assert.True(Cosine(0, 1) > Cosine(0, 2));
        Assert.Equal(64, (await generator.GenerateAsync(["x"], new EmbeddingGenerationOptions { Dimensions = 64 }))[0].Vector.Length);
        await Assert.ThrowsAsync<ArgumentException>(() => generator.GenerateAsync([""]));

        double Cosine(int a, int b) => embeddings[a].Vector.ToArray().Zip(embeddings[b].Vector.ToArray(), (x, y) => (double)x * y).Sum();
    }

    [Fact]
    public async Task Disposing_of_a_client_ends_its_answers_from_within_one_and_from_outside()
    {
        EdgeLlmChatClient client = OpenTiny();
        int updates = 0;
        await Assert.ThrowsAsync<ObjectDisposedException>(async () =>
        {
            await foreach (ChatResponseUpdate _ in client.GetStreamingResponseAsync("Once", new ChatOptions { MaxOutputTokens = 400 }))
            {
                if (++updates == 2) client.Dispose();
            }
        });
        Assert.Equal(2, updates);
        client.Dispose();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => client.GetResponseAsync("Once"));

        for (int round = 0; round < 10; round++)
        {
            EdgeLlmChatClient busy = OpenTiny();
            Task[] requests = [.. Enumerable.Range(0, 4)
                .Select(_ => Task.Run(() => busy.GetResponseAsync("Once", new ChatOptions { MaxOutputTokens = 400 })))];
            await Task.Delay(round * 2);
            busy.Dispose();
            foreach (Task request in requests)
            {
                Exception? error = await Record.ExceptionAsync(() => request.WaitAsync(TimeSpan.FromMinutes(1)));
                Assert.True(error is null or ObjectDisposedException, error?.ToString());
            }
        }
    }

    [Fact]
    public async Task Disposing_of_an_embedding_generator_ends_its_requests()
    {
        using var model = LanguageModel.Load(SharedFolder.Require("models", "stories260K.f32.gguf"), new ModelOptions { Threads = 2 });
        for (int round = 0; round < 10; round++)
        {
            var generator = new EdgeLlmEmbeddingGenerator(model);
            Task[] requests = [.. Enumerable.Range(0, 4)
                .Select(_ => Task.Run(() => generator.GenerateAsync(Enumerable.Repeat("Once upon a time there was a dragon.", 50))))];
            await Task.Delay(round * 2);
            generator.Dispose();
            foreach (Task request in requests)
            {
                Exception? error = await Record.ExceptionAsync(() => request.WaitAsync(TimeSpan.FromMinutes(1)));
                Assert.True(error is null or ObjectDisposedException, error?.ToString());
            }
            await Assert.ThrowsAsync<ObjectDisposedException>(() => generator.GenerateAsync(["x"]));
        }
    }

    private static EdgeLlmChatClient OpenTiny() =>
        new(LanguageModel.Load(SharedFolder.Require("models", "stories260K.f32.gguf"),
            new ModelOptions { ContextLength = 512, Threads = 2, ChatTemplate = Chat.NamedTemplates.Find("chatml") }), ownsModel: true);

    private static EdgeLlmChatClient Open() =>
        new(LanguageModel.Load(SharedFolder.Require("models", "SmolLM2-135M-Instruct.Q4_1.gguf"),
            new ModelOptions { ContextLength = 512, Threads = 2 }), ownsModel: true);
}
