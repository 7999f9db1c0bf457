using EdgeLlm.Models;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;

namespace EdgeLlm.Extensions.AI;

/// <summary>EdgeLlm in a container of services.</summary>
public static partial class EdgeLlmServices
{
    /// <summary>
    /// Adds one model, opened once and disposed of with the container, as <see cref="LanguageModel"/>, <see cref="IChatClient"/> and
    /// <see cref="IEmbeddingGenerator{String, Embedding}"/>. Requests to it take turns. Opening is logged with the memory plan, and each
    /// answer at level Debug with its numbers; what was asked and answered is never logged.
    /// </summary>
    /// <param name="services">The container.</param>
    /// <param name="configure">Sets options; null: they come from <c>services.Configure&lt;EdgeLlmOptions&gt;(section)</c>, or are the
    /// defaults.</param>
    public static IServiceCollection AddEdgeLlm(this IServiceCollection services, Action<EdgeLlmOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        OptionsBuilder<EdgeLlmOptions> options = services.AddOptions<EdgeLlmOptions>();
        if (configure is not null) options.Configure(configure);
        services.TryAddSingleton(Load);
        services.TryAddSingleton(provider =>
            new EdgeLlmChatClient(provider.GetRequiredService<LanguageModel>(), logger: provider.GetService<ILogger<EdgeLlmChatClient>>()));
        services.TryAddSingleton<IChatClient>(provider => provider.GetRequiredService<EdgeLlmChatClient>());
        services.TryAddSingleton(provider => new EdgeLlmEmbeddingGenerator(provider.GetRequiredService<LanguageModel>()));
        services.TryAddSingleton<IEmbeddingGenerator<string, Embedding<float>>>(provider =>
            provider.GetRequiredService<EdgeLlmEmbeddingGenerator>());
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IHostedService, LoadingAtStart>());
        return services;
    }

    /// <summary>
    /// Adds a model made for embeddings, opened once and disposed of with the container, as <see cref="TextEncoder"/> and
    /// <see cref="IEmbeddingGenerator{String, Embedding}"/>; beside <see cref="AddEdgeLlm"/> it takes the place of the language model's
    /// embeddings.
    /// </summary>
    /// <param name="services">The container.</param>
    /// <param name="model">A GGUF file's or a Hugging Face folder's path, or a name of <see cref="ModelStore"/>.</param>
    /// <param name="options">How it is opened.</param>
    /// <param name="prompt">The name of one of its prompts, which goes before each text; null: its own default.</param>
    public static IServiceCollection AddEdgeLlmEmbeddings(this IServiceCollection services, string model,
        ModelOptions? options = null, string? prompt = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentException.ThrowIfNullOrEmpty(model);
        services.AddSingleton(_ => TextEncoder.Load(ModelStore.OfThisMachine().PathOf(model), options));
        services.Replace(
            ServiceDescriptor.Singleton(provider => new EdgeLlmEmbeddingGenerator(provider.GetRequiredService<TextEncoder>(), prompt)));
        services.Replace(ServiceDescriptor.Singleton<IEmbeddingGenerator<string, Embedding<float>>>(provider =>
            provider.GetRequiredService<EdgeLlmEmbeddingGenerator>()));
        return services;
    }

    private static LanguageModel Load(IServiceProvider provider)
    {
        EdgeLlmOptions options = provider.GetRequiredService<IOptions<EdgeLlmOptions>>().Value;
        LanguageModel model = options.Model is null
            ? LanguageModel.LoadDefault(options.ModelOptions)
            : ModelStore.OfThisMachine().Load(options.Model, options.ModelOptions);
        ILogger logger = provider.GetService<ILogger<LanguageModel>>() ?? NullLogger<LanguageModel>.Instance;
        LogLoaded(logger, model.Name, model.Path, model.KernelName, model.Threads, model.ContextLength, model.Plan.Total / 1_000_000);
        return model;
    }

    [LoggerMessage(LogLevel.Information,
        "{Model} ({Path}): kernel {Kernel}, {Threads} threads, a context of {ContextLength} tokens, {Megabytes} MB at most")]
    private static partial void LogLoaded(ILogger logger, string model, string path, string kernel, int threads,
        int contextLength, long megabytes);

    /// <summary>Opens the model when the host starts, where the options say so.</summary>
    private sealed class LoadingAtStart(IServiceProvider provider, IOptions<EdgeLlmOptions> options) : IHostedService
    {
        public Task StartAsync(CancellationToken cancellationToken)
        {
            if (options.Value.LoadAtStart) provider.GetRequiredService<LanguageModel>();
            return Task.CompletedTask;
        }

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
