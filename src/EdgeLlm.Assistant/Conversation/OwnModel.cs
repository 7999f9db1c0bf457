using System.Runtime.CompilerServices;
using EdgeLlm.Assistant.Settings;
using EdgeLlm.Chat;
using EdgeLlm.Generation;
using EdgeLlm.Gguf;
using EdgeLlm.Models;
using EdgeLlm.Sampling.Constraints;

namespace EdgeLlm.Assistant.Conversation;

/// <summary>A model in this process that answers what no intent does.</summary>
internal sealed class OwnModel : IDisposable
{
    private const int MostTokens = 220;

    private readonly LanguageModel _model;
    private readonly ChatFormat _format;
    private readonly TextGenerator _generator;
    private readonly SemaphoreSlim _turn = new(1);

    private OwnModel(LanguageModel model)
    {
        (_model, _format, _generator) = (model, new ChatFormat(model), new TextGenerator(model));
    }

    /// <summary>Opens the model of config; null where config wants none, or it can't be opened, which is told.</summary>
    public static OwnModel? Open(AssistantSettings settings, int threads, Action<string> problem)
    {
        if (settings.Model == "none") return null;
        try
        {
            LanguageModel model = ModelStore.OfThisMachine().Load(settings.Model, new ModelOptions { Threads = threads });
            var own = new OwnModel(model);
            if (own._format.HasTemplate) return own;
            own.Dispose();
            problem($"model: {ChatFormat.MissingTemplate}");
        }
        catch (Exception exception)
            when (exception is IOException or ModelException or GgufException or ChatTemplateException or ArgumentException)
        {
            problem($"model: {exception.Message}");
        }
        return null;
    }

    /// <inheritdoc cref="GenerateText"/>
    public async IAsyncEnumerable<string> GenerateAsync(IReadOnlyList<ChatMessage> messages, OutputConstraint? constraint,
        [EnumeratorCancellation] CancellationToken cancellation)
    {
        await _turn.WaitAsync(cancellation).ConfigureAwait(false);
        try
        {
            List<int> prompt = Fit(messages);
            var options = new GenerationOptions
            {
                MaxTokens = Math.Min(MostTokens, _model.ContextLength - prompt.Count),
                Constraint = constraint,
                Sampling = new() { Temperature = 0.2f, Seed = 0 },
                StopsLoops = true,
            };
            await foreach (string piece in _generator.GenerateAsync(prompt, options, cancellation).ConfigureAwait(false))
                yield return piece;
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <summary>Computes what is known of a turn before it is whole, so that its end is all that is left to do.</summary>
    /// <param name="messages">The last one is the user's, as far as it was heard.</param>
    public async Task PrepareAsync(IReadOnlyList<ChatMessage> messages, CancellationToken cancellation)
    {
        if (!await _turn.WaitAsync(0, cancellation).ConfigureAwait(false)) return;
        try
        {
            List<int> prompt = _format.Encode(new ChatRequest { Messages = messages, AddGenerationPrompt = false });
            if (prompt.Count >= _model.ContextLength - 1) return;
            await foreach (string _ in _generator.GenerateAsync(prompt, new GenerationOptions { MaxTokens = 1 }, cancellation)
                .ConfigureAwait(false)) { }
        }
        finally
        {
            _turn.Release();
        }
    }

    public void Dispose()
    {
        _generator.Dispose();
        _model.Dispose();
        _turn.Dispose();
    }

    /// <summary>The messages as tokens, without the oldest turns where they leave no room for an answer.</summary>
    private List<int> Fit(IReadOnlyList<ChatMessage> messages)
    {
        List<ChatMessage> kept = [.. messages];
        while (true)
        {
            List<int> prompt = _format.Encode(new ChatRequest { Messages = kept });
            if (prompt.Count + 16 <= _model.ContextLength) return prompt;
            int oldest = kept.FindIndex(static message => message.Role != "system");
            if (oldest < 0 || kept.Count - oldest < 2)
                throw new InvalidOperationException(
                    $"the request has {prompt.Count} tokens, more than the model's context of {_model.ContextLength}");
            kept.RemoveAt(oldest);
        }
    }
}

/// <summary>A model of embeddings in this process, for notes by meaning and near phrases.</summary>
internal sealed class OwnEncoder : IDisposable
{
    private readonly TextEncoder _encoder;
    private readonly Lock _turn = new();

    private OwnEncoder(TextEncoder encoder) => _encoder = encoder;

    /// <summary>Opens the model of config; null where config names none, or it can't be opened, which is told.</summary>
    public static OwnEncoder? Open(AssistantSettings settings, int threads, Action<string> problem)
    {
        if (settings.EmbeddingModel is not { } name) return null;
        try
        {
            return new OwnEncoder(
                TextEncoder.Load(ModelStore.OfThisMachine().PathOf(name), new ModelOptions { Threads = threads }, normalize: true));
        }
        catch (Exception exception) when (exception is IOException or ModelException or GgufException or ArgumentException)
        {
            problem($"embeddingModel: {exception.Message}");
            return null;
        }
    }

    /// <inheritdoc cref="Tools.EmbedTexts"/>
    public float[][] Embed(IReadOnlyList<string> texts, CancellationToken cancellation)
    {
        lock (_turn) return _encoder.Embed(texts, cancellation);
    }

    public void Dispose()
    {
        lock (_turn) _encoder.Dispose();
    }
}
