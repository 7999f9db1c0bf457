using EdgeLlm.Models;
using EdgeLlm.Tests;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace EdgeLlm.Extensions.AI.Tests;

public sealed class ServicesTests
{
    [Fact]
    public async Task One_line_gives_a_chat_client_and_embeddings_over_one_model()
    {
        LanguageModel model;
        await using (ServiceProvider provider =
            new ServiceCollection().AddEdgeLlm(options => options.ModelOptions = Small).BuildServiceProvider())
        {
            model = provider.GetRequiredService<LanguageModel>();
            IChatClient client = provider.GetRequiredService<IChatClient>();
            Assert.Same(client, provider.GetRequiredService<EdgeLlmChatClient>());
            Assert.Same(model, client.GetService<LanguageModel>());
            Assert.NotEmpty((await client.GetResponseAsync("Hi", new ChatOptions { MaxOutputTokens = 2 })).Text);
            Assert.Single(await provider.GetRequiredService<IEmbeddingGenerator<string, Embedding<float>>>().GenerateAsync(["Hi"]));
        }
        Assert.Throws<ObjectDisposedException>(() => model.Tokenizer); // the container's end is the model's
    }

    [Fact]
    public async Task An_encoder_takes_the_place_of_the_language_model_s_embeddings()
    {
        string folder = SharedFolder.Require("golden", "logits", "embedding-gemma");
        using ServiceProvider provider = new ServiceCollection().AddEdgeLlm(options => options.ModelOptions = Small)
            .AddEdgeLlmEmbeddings(folder, prompt: "query").BuildServiceProvider();
        IEmbeddingGenerator<string, Embedding<float>> generator =
            provider.GetRequiredService<IEmbeddingGenerator<string, Embedding<float>>>();
        TextEncoder encoder = provider.GetRequiredService<TextEncoder>();
        Assert.Same(encoder, generator.GetService(typeof(TextEncoder)));
        GeneratedEmbeddings<Embedding<float>> embeddings = await generator.GenerateAsync(["the cat"]);
        Assert.Equal(encoder.Embed(["the cat"], "query")[0], embeddings[0].Vector.ToArray(), (a, b) => Math.Abs(a - b) < 1e-6);
        Assert.Equal(encoder.Tokenizer.Encode("task: search result | query: the cat", addSpecial: true).Length,
            embeddings.Usage!.InputTokenCount);
        Assert.Throws<ArgumentException>(() => new EdgeLlmEmbeddingGenerator(encoder, "other"));
    }

    [Fact]
    public void Options_come_from_a_configuration_too()
    {
        IConfiguration configuration = new ConfigurationBuilder()
            .AddInMemoryCollection(new Dictionary<string, string?>
            {
                ["EdgeLlm:ModelOptions:ContextLength"] = "128",
                ["EdgeLlm:ModelOptions:Name"] = "mine"
            }).Build();
        using ServiceProvider provider =
            new ServiceCollection().Configure<EdgeLlmOptions>(configuration.GetSection("EdgeLlm")).AddEdgeLlm().BuildServiceProvider();
        LanguageModel model = provider.GetRequiredService<LanguageModel>();
        Assert.Equal((128, "mine"), (model.ContextLength, model.Name));
    }

    [Fact]
    public async Task A_host_opens_the_model_when_it_starts_and_ends_there_where_it_cannot()
    {
        using IHost host = HostOf(options => options.Model = "/nonexistent/model.gguf");
        Assert.Contains("/nonexistent/model.gguf", (await Assert.ThrowsAsync<FileNotFoundException>(() => host.StartAsync())).Message,
            StringComparison.Ordinal);
        using IHost later = HostOf(options => (options.Model, options.LoadAtStart) = ("/nonexistent/model.gguf", false));
        await later.StartAsync();
        await later.StopAsync();
    }

    [Fact]
    public async Task Logs_have_the_numbers_and_never_the_texts()
    {
        using var log = new CollectingLog();
        using IHost host = HostOf(options => options.ModelOptions = Small, log);
        await host.StartAsync();
        await host.Services.GetRequiredService<IChatClient>()
            .GetResponseAsync("The secret word is xylophone.", new ChatOptions { MaxOutputTokens = 3 });
        await host.StopAsync();
        Assert.Contains(log.Lines,
            line => line.Contains("SmolLM2-135M-Instruct", StringComparison.Ordinal)
                && line.Contains("a context of 256 tokens", StringComparison.Ordinal));
        Assert.Contains(log.Lines, line => line.Contains("3 tokens at", StringComparison.Ordinal));
        Assert.DoesNotContain(log.Lines, line => line.Contains("xylophone", StringComparison.OrdinalIgnoreCase));
    }

    private static ModelOptions Small => new() { ContextLength = 256, Threads = 2 };

    private static IHost HostOf(Action<EdgeLlmOptions> configure, ILoggerProvider? log = null)
    {
        HostApplicationBuilder builder = Host.CreateEmptyApplicationBuilder(null);
        builder.Logging.SetMinimumLevel(LogLevel.Debug);
        if (log is not null) builder.Logging.AddProvider(log);
        builder.Services.AddEdgeLlm(configure);
        return builder.Build();
    }

    private sealed class CollectingLog : ILoggerProvider, ILogger
    {
        public List<string> Lines { get; } = [];

        public ILogger CreateLogger(string categoryName) => this;

        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception,
            Func<TState, Exception?, string> formatter)
        {
            lock (Lines) Lines.Add(formatter(state, exception));
        }

        public void Dispose()
        {
        }
    }
}
