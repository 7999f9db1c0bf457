using EdgeLlm.Chat;
using EdgeLlm.Generation;
using EdgeLlm.Generation.Scheduling;
using EdgeLlm.Models;
using EdgeLlm.Server.Answers;
using EdgeLlm.Tokenization;
using Microsoft.AspNetCore.Http;

namespace EdgeLlm.Server.Http;

/// <summary>
/// Conversations as prompts that leave room for an answer. This is work before the queue, which anyone can ask for, so it is bounded: in
/// messages, in processor time and memory (<see cref="ChatTemplateLimits"/>), and in how many are worked on at once.
/// </summary>
internal static class Prompts
{
    private const int MostMessages = 2000;

    private static readonly TimeSpan MostTime = ChatTemplateLimits.Default.MaximumTime;
    private static readonly SemaphoreSlim Turn = new(2);

    /// <summary>The tokens of a conversation; one whose last turn is the assistant's is continued.</summary>
    /// <param name="current">The model.</param>
    /// <param name="conversation">The turns; shortened where they may be.</param>
    /// <param name="maxTokens">Most tokens of the answer, or 0.</param>
    /// <param name="whenFull">Whether the oldest turns, system turns excepted, are left out so that a quarter of the context, or
    /// <paramref name="maxTokens"/>, is free; or a prompt is refused that leaves fewer than <paramref name="maxTokens"/>.</param>
    /// <param name="cancellation">Fires when the client has gone.</param>
    /// <exception cref="ContextFullException">It is longer than the context.</exception>
    /// <exception cref="ApiException">The model has no chat template, or it costs more than is done for a request before its
    /// turn.</exception>
    public static Task<List<int>> EncodeAsync(
        (LanguageModel Model, ChatFormat Format) current, Conversation conversation, int maxTokens, ContextPolicy whenFull,
        CancellationToken cancellation)
    {
        int count = conversation.Turns.Count;
        if (count > MostMessages) throw ApiException.Field("messages", $"has {count} messages; at most {MostMessages} are taken");
        RequireTemplate(current.Format);
        return InTurnAsync(() => Encode(current, conversation, maxTokens, whenFull), cancellation);
    }

    /// <summary>
    /// The options with whose what is computed is, and how far it is likely to be the beginning of other conversations, too.
    /// </summary>
    /// <param name="conversation">What the prompt was made of; null: it is continued as it is.</param>
    public static async Task<GenerationOptions> ReuseAsync(
        GenerationOptions options, (LanguageModel Model, ChatFormat Format) current, Conversation? conversation,
        IReadOnlyList<int> prompt, HttpContext context)
    {
        options = RequestAdapters.Apply(options, current.Model, context) with { Scope = AccessRules.ScopeOf(context) };
        if (conversation is null || current.Model.Options.PrefixBytes == 0) return options;
        int count = await InTurnAsync(() => current.Format.CountInstructions(conversation.ToRequest(), prompt), context.RequestAborted)
            .ConfigureAwait(false);
        return options with { Instructions = count };
    }

    /// <summary>
    /// The tokens of turns that follow tokens of earlier ones, the last of them an answer's: its end where it is missing, no second BOS.
    /// </summary>
    /// <exception cref="ContextFullException">They are longer than the context.</exception>
    public static Task<List<int>> EncodeAfterAsync(
        (LanguageModel Model, ChatFormat Format) current, List<int> before, List<ChatMessage> messages, CancellationToken cancellation)
    {
        RequireTemplate(current.Format);
        return InTurnAsync(() =>
        {
            List<int> next = current.Format.EncodeNextTurns(new ChatRequest { Messages = messages });
            bool hasEnd = next.Count > 0 && next[0] == before[^1] && current.Model.Tokenizer.IsEndOfGeneration(next[0]);
            return (List<int>)[.. before, .. hasEnd ? next[1..] : next];
        }, cancellation);
    }

    /// <summary>
    /// The tokens of a text as it is: with BOS where the model wants one, the text begins a context and does not have it itself.
    /// </summary>
    public static int[] EncodeRaw(Tokenizer tokenizer, string text, bool isFirst)
    {
        int[] tokens = tokenizer.Encode(text, parseSpecial: true, addSpecial: isFirst);
        bool twice = isFirst && tokenizer.AddsBos && tokens is [var first, var second, ..] && first == tokenizer.BosId && second == first;
        return twice ? tokens[1..] : tokens;
    }

    /// <summary>
    /// The tokens by which a model is asked to fill the gap between two texts; null: it knows no such tokens. Texts that are too long lose
    /// what is far from the gap.
    /// </summary>
    public static List<int>? EncodeInsertion(LanguageModel model, string before, string after)
    {
        Tokenizer tokenizer = model.Tokenizer;
        if (FillInTheMiddle.Of(tokenizer) is not { } marks) return null;
        int[] prefix = tokenizer.Encode(before), suffix = tokenizer.Encode(after);
        int room = Math.Max(0, model.ContextLength * 3 / 4 - 4),
            suffixRoom = Math.Min(suffix.Length, Math.Max(room / 4, room - prefix.Length));
        prefix = prefix[Math.Max(0, prefix.Length - (room - suffixRoom))..];
        List<int> tokens = [marks.Prefix, .. prefix, marks.Suffix, .. suffix.AsSpan(0, suffixRoom), marks.Middle];
        if (tokenizer is { AddsBos: true, BosId: { } bos }) tokens.Insert(0, bos);
        return tokens;
    }

    /// <summary>A model as prompts are made for it.</summary>
    /// <exception cref="ApiException">It makes vectors and no text.</exception>
    public static (LanguageModel Model, ChatFormat Format) ChatOf(ModelLease lease) =>
        (lease.Model, lease.Format ?? throw new ApiException(400, $"the model '{lease.Model.Name}' makes vectors of texts and no text",
            "unsupported_model", "model"));

    private static void RequireTemplate(ChatFormat format)
    {
        if (!format.HasTemplate) throw new ApiException(400, ChatFormat.MissingTemplate, "no_chat_template");
    }

    /// <summary>Refuses a prompt that leaves less room than was asked for, where that is the policy.</summary>
    /// <exception cref="ContextFullException">There is less.</exception>
    public static void RequireRoomFor(int maxTokens, int promptTokens, int capacity, ContextPolicy whenFull)
    {
        if (whenFull == ContextPolicy.Error && maxTokens > capacity - promptTokens + 1)
            throw new ContextFullException(promptTokens + maxTokens - 1, capacity);
    }

    /// <summary>How a conversation is shortened in the middle of an answer: without its oldest turns.</summary>
    public static Func<int, IReadOnlyList<int>?> Shortening((LanguageModel Model, ChatFormat Format) current, Conversation conversation) =>
        answered => PromptFitter.Shorten(conversation.Turns, current.Model.ContextLength, answered,
            () => current.Format.Encode(conversation.ToRequest()));

    /// <summary>An answer ends with the context at the latest, and where no limit was asked for, in an endless repetition.</summary>
    /// <exception cref="ContextFullException">The prompt alone is longer.</exception>
    /// <exception cref="ApiException">The prompt has no tokens.</exception>
    /// <exception cref="Sampling.Constraints.ConstraintException">There is no room for an answer of the form that is asked for.</exception>
    public static GenerationOptions Limit(GenerationOptions options, LanguageModel model, int promptTokens)
    {
        if (promptTokens == 0) throw new ApiException(400, "the prompt has no tokens: there is nothing to answer");
        Check(promptTokens, model.ContextLength);
        int room = options.Shift ? model.ContextLength
            : model.ContextLength - promptTokens + 1; // the last token is sampled and not computed
        bool isLimited = options.MaxTokens > 0;
        int most = isLimited ? Math.Min(options.MaxTokens, room) : room;
        if (options.Constraint is { } constraint && constraint.ShortestBytes > most)
            constraint.Begin(ConstraintVocabulary.Of(model.Tokenizer, options.VisibleTokens)).Fit(most);
        return options with { MaxTokens = most, StopsLoops = !isLimited && !options.IgnoreEndOfText };
    }

    private static async Task<T> InTurnAsync<T>(Func<T> encode, CancellationToken cancellation)
    {
        await Turn.WaitAsync(cancellation).ConfigureAwait(false);
        try
        {
            return encode();
        }
        finally
        {
            Turn.Release();
        }
    }

    private static List<int> Encode((LanguageModel Model, ChatFormat Format) current, Conversation conversation,
        int maxTokens, ContextPolicy whenFull)
    {
        TimeSpan start = ProcessorTime.OfThread();
        int capacity = current.Model.ContextLength;
        List<int> tokens = whenFull == ContextPolicy.DropOldestTurns
            ? PromptFitter.Fit(conversation.Turns, capacity - PromptFitter.RoomFor(maxTokens, capacity), Render, RequireTime) : Render();
        Check(tokens.Count, capacity);
        RequireRoomFor(maxTokens, tokens.Count, capacity, whenFull);
        return tokens;

        List<int> Render() => current.Format.Encode(conversation.ToRequest());

        void RequireTime()
        {
            if (ProcessorTime.OfThread() - start > MostTime)
                throw ApiException.Field("messages", $"take more than {MostTime.TotalSeconds} s of processor time to be made a prompt");
        }
    }

    private static void Check(int tokens, int capacity)
    {
        if (tokens > capacity) throw new ContextFullException(tokens, capacity);
    }
}
