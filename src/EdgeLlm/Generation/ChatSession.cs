using System.Runtime.CompilerServices;
using System.Text;
using EdgeLlm.Chat;
using EdgeLlm.Models;

namespace EdgeLlm.Generation;

/// <summary>
/// A conversation with a model: turns in, streamed answers out. What users write is never parsed into special tokens. Not for several
/// threads at once.
/// </summary>
public sealed partial class ChatSession : IDisposable
{
    private readonly List<ChatMessage> _messages = [];
    private readonly TextGenerator _generator;
    private readonly ChatFormat _format;

    /// <summary>A conversation without turns.</summary>
    /// <param name="model">The model, which the session does not dispose of.</param>
    /// <param name="system">The system prompt, or null for none (the model's template may bring its own).</param>
    /// <exception cref="ChatTemplateException">The model's chat template is broken.</exception>
    public ChatSession(LanguageModel model, string? system = null) : this(model, new ChatFormat(model), system)
    {
    }

    /// <summary>Makes a session with a format that was made before.</summary>
    internal ChatSession(LanguageModel model, ChatFormat format, string? system = null)
    {
        _format = format;
        _generator = new TextGenerator(model);
        System = system;
    }

    /// <summary>The system prompt; a new one holds from the next turn on.</summary>
    public string? System { get; set; }

    /// <summary>The turns so far, without the system prompt.</summary>
    public IReadOnlyList<ChatMessage> Messages => _messages;

    /// <summary>Statistics of the last answer.</summary>
    public GenerationStatistics Statistics => _generator.Statistics;

    /// <summary>Tokens in the context.</summary>
    public int ContextUsed => _generator.Context.Memory.Length;

    /// <summary>The model.</summary>
    public LanguageModel Model => _generator.Model;

    /// <summary>
    /// Asks, and gives the answer piece by piece. Both become turns of the conversation, an answer that was cancelled as far as it came.
    /// </summary>
    /// <exception cref="ContextFullException">The conversation is longer than the context and the options ask for an error
    /// then.</exception>
    /// <exception cref="ChatTemplateException">The model's chat template does not take this conversation.</exception>
    /// <exception cref="InvalidOperationException">Another answer of this session has not ended.</exception>
    /// <exception cref="ObjectDisposedException">The session or the model was disposed of, before or while the answer was
    /// given.</exception>
    public async IAsyncEnumerable<string> AskAsync(string text, GenerationOptions? options = null,
        [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(text);
        options ??= new GenerationOptions();
        using TextGenerator.AnswerTurn turn = _generator.BeginAnswer();
        _messages.Add(new ChatMessage("user", text));
        var answerText = new StringBuilder();
        Sequence answer;
        try
        {
            List<int> prompt = RenderWithRoom(options);
            int instructions = Model.Options.PrefixBytes > 0 ? _format.CountInstructions(Request, prompt) : 0;
            answer = _generator.Begin(prompt, options with { Instructions = instructions },
                options.Shift ? answered => PromptFitter.Shorten(_messages, _generator.Context.Memory.Capacity, answered, Render) : null);
        }
        catch
        {
            _messages.RemoveAt(_messages.Count - 1);
            throw;
        }

        try
        {
            while (await Task.Run(() => answer.Next(cancellationToken), CancellationToken.None).ConfigureAwait(false) is { } piece)
            {
                answerText.Append(piece);
                if (piece.Length > 0) yield return piece;
            }
        }
        finally
        {
            _messages.Add(new ChatMessage("assistant", answerText.ToString()));
        }
        cancellationToken.ThrowIfCancellationRequested();
    }

    /// <summary>Forgets all turns.</summary>
    /// <exception cref="InvalidOperationException">An answer is being given.</exception>
    public void Reset()
    {
        using TextGenerator.AnswerTurn turn = _generator.BeginAnswer();
        Clear();
    }

    /// <inheritdoc/>
    public void Dispose() => _generator.Dispose();

    private void Clear()
    {
        _messages.Clear();
        _generator.Context.Clear();
    }

    /// <summary>The conversation as tokens; where it leaves no room and the policy allows it, without its oldest turns.</summary>
    private List<int> RenderWithRoom(GenerationOptions options)
    {
        int capacity = _generator.Context.Memory.Capacity;
        return options.WhenContextIsFull == ContextPolicy.DropOldestTurns
            ? PromptFitter.Fit(_messages, capacity - PromptFitter.RoomFor(options.MaxTokens, capacity), Render)
            : Render();
    }

    private ChatRequest Request => new() { Messages = System is null ? [.. _messages] : [new ChatMessage("system", System), .. _messages] };

    private List<int> Render()
    {
        List<int> tokens = _format.Encode(Request);
        return tokens.Count > 0 ? tokens : throw new ChatTemplateException("it makes an empty text of these messages", 0);
    }
}
