using EdgeLlm.Chat;
using EdgeLlm.Generation;
using EdgeLlm.Generation.Scheduling;
using EdgeLlm.Generation.Tools;
using EdgeLlm.Models;
using EdgeLlm.Server.Engine;
using EdgeLlm.Server.Http;
using EdgeLlm.Server.Settings;
using Microsoft.AspNetCore.Http;

namespace EdgeLlm.Server.Answers;

/// <summary>Takes requests of all APIs to the engine.</summary>
internal sealed class AnswerService(InferenceEngine engine, ServerOptions settings, ServerLog log)
{
    /// <summary>The engine.</summary>
    public InferenceEngine Engine => engine;

    /// <summary>The service's settings.</summary>
    public ServerOptions Settings => settings;

    /// <summary>The model of a name, as OpenAI's and Anthropic's APIs refuse one that is not here.</summary>
    /// <exception cref="ApiException">There is none, or its file can't be read.</exception>
    public ServedModel Find(string? name)
    {
        if (string.IsNullOrEmpty(name)) throw ApiException.Field("model", $"is missing; this service has '{engine.Models.Own.Name}'");
        return engine.Find(name)
            ?? throw new ApiException(404, $"the model '{name}' is not here; this service has {engine.ModelNames}",
                "model_not_found", "model");
    }

    /// <summary>Makes the prompts and takes their answers into the queue. What a client can be told before its turn is told here.</summary>
    /// <exception cref="ApiException">The request is wrong.</exception>
    /// <exception cref="SchedulerBusyException">There is no room in the queue, or the engine takes no requests now.</exception>
    public async Task<AnswerRun> BeginAsync(HttpContext context, GenerationRequest request)
    {
        engine.RequireRoom();
        if (request.Conversation is { Turns: { } turns } && turns.TrueForAll(turn => turn.Role != "system"))
        {
            // What the model's maker puts before conversations.
            turns.InsertRange(0, request.Served.Messages);
            if (request.Served.System is { } system) turns.Insert(0, new ChatMessage("system", system));
        }
        ModelLease lease = await engine.UseAsync(request.Served, context.RequestAborted).ConfigureAwait(false);
        try
        {
            if (request.KeepsFor is { } time && !engine.IsOwn(request.Served) && engine.MayClose(request.Served)) lease.KeepFor(time);
            (LanguageModel Model, ChatFormat Format) current = Prompts.ChatOf(lease);
            GenerationOptions options = request.Options with { WhenContextIsFull = request.WhenFull };
            if (TokenBias.Of(request.Biases, current.Model) is { } biases)
                options = options with { Sampling = options.Sampling with { LogitBias = biases } };
            options = Fields.Checked(options);
            ToolCalling? calling = request.Conversation is null ? null : request.Tools.For(current.Format);
            Conversation? conversation = request.Conversation is { } given ? given with { Tools = calling?.Definitions } : null;
            IReadOnlyList<List<int>> prompts = request.Encode is { } encode
                ? await encode(current, context.RequestAborted).ConfigureAwait(false)
                : [await Prompts.EncodeAsync(current, conversation!, options.MaxTokens, request.WhenFull, context.RequestAborted)
                    .ConfigureAwait(false)];
            if (prompts.Count * request.Choices > GenerationRequest.MostChoices)
                throw ApiException.Field("n",
                    $"answers to {prompts.Count} prompts are {prompts.Count * request.Choices}; at most {GenerationRequest.MostChoices} are given at once");
            var asked = new List<AnswerRequest>();
            foreach (List<int> prompt in prompts)
            {
                GenerationOptions own = await Prompts.ReuseAsync(options, current, conversation, prompt, context).ConfigureAwait(false);
                if (calling is not null) own = RequestTools.Apply(calling, own, prompt);
                Func<int, IReadOnlyList<int>?>? shorten = own.Shift && conversation is { } kept ? Prompts.Shortening(current, kept) : null;
                asked.Add(new AnswerRequest(prompt)
                {
                    Options = Prompts.Limit(own, current.Model, prompt.Count),
                    Client = AccessRules.ClientOf(context),
                    Priority = request.Priority,
                    Shorten = shorten,
                });
            }
            return new AnswerRun(engine, log, context, lease, request, calling, asked);
        }
        catch
        {
            lease.Dispose();
            throw;
        }
    }

    /// <summary>How many tokens a conversation's prompt has.</summary>
    /// <exception cref="ApiException">The conversation is wrong.</exception>
    /// <exception cref="ContextFullException">It is longer than the context.</exception>
    public async Task<int> CountTokensAsync(HttpContext context, ServedModel served, Conversation conversation, RequestTools? tools = null)
    {
        using ModelLease lease = await engine.UseAsync(served, context.RequestAborted).ConfigureAwait(false);
        (LanguageModel Model, ChatFormat Format) current = Prompts.ChatOf(lease);
        if (tools is not null) conversation = conversation with { Tools = tools.For(current.Format).Definitions };
        return (await Prompts.EncodeAsync(current, conversation, 0, ContextPolicy.Cut, context.RequestAborted).ConfigureAwait(false)).Count;
    }
}
