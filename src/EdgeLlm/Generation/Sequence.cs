using System.Buffers;
using System.Diagnostics;
using System.Text;
using EdgeLlm.Chat.Tools;
using EdgeLlm.Generation.Speculation;
using EdgeLlm.Models;
using EdgeLlm.Sampling;
using EdgeLlm.Sampling.Constraints;
using EdgeLlm.Tokenization;

namespace EdgeLlm.Generation;

/// <summary>
/// One answer, token by token: compute, sample, detokenize, look for the end. <see cref="Next"/> does all of it; who decodes several
/// together asks each for its <see cref="Pending"/> tokens after <see cref="Prepare"/>, computes them, and hands each its logits with
/// <see cref="Accept(Span{float})"/>; of a long prompt it may compute some first and say so with <see cref="Advance"/>. A token that is not
/// the first allocates nothing.
/// </summary>
internal sealed partial class Sequence
{
    private readonly SequenceCache _cache;
    private readonly LanguageModel _model;
    private readonly GenerationOptions _options;
    private readonly Func<int, IReadOnlyList<int>?>? _shorten;
    private readonly Sampler _sampler;
    private readonly StreamingDetokenizer _detokenizer;
    private readonly StopMatcher _stops;
    private readonly LoopGuard? _loops;
    private readonly ArrayBufferWriter<char> _text = new(64);
    private readonly List<int> _tokens;
    private readonly int[] _last = new int[1];
    private readonly Stopwatch _clock = new();

    private TokenConstraint? _constraint;
    private readonly CallTrigger? _trigger;
    private bool _isForm; // the rest of the answer is held to a form
    private string _healed = ""; // the text that the prompt's last token had, as far as the answer has not repeated it
    private int[] _pending = new int[DraftPasses.MostTokens];
    private int _pendingEnd;
    private int _computed; // of the pending ones
    private int _promptLength;
    private int _reused;
    private TimeSpan _firstToken;
    private FinishReason _reason;

    /// <param name="cache">The context that it uses, alone until it has ended.</param>
    /// <param name="options">How; checked here.</param>
    /// <param name="shorten">Gives a shorter prompt when one that needs a given number of tokens has no room, or null where there is
    /// none.</param>
    public Sequence(SequenceCache cache, GenerationOptions options, Func<int, IReadOnlyList<int>?>? shorten = null)
    {
        options.Validate();
        _cache = cache;
        _model = cache.Model;
        cache.Adapt(options);
        _options = options;
        _shorten = shorten;
        _sampler = new Sampler(WithDryBreakers(options, _model.Tokenizer), _model.Info.VocabularySize, _model.ContextLength);
        _detokenizer = new StreamingDetokenizer(_model.Tokenizer, visible: options.VisibleTokens);
        bool isFree = options.Constraint is null;
        _stops = new StopMatcher(isFree ? options.StopStrings : []);
        _tokens = new List<int>(options.MaxTokens > 0 ? Math.Min(options.MaxTokens, _model.ContextLength) + 1 : _model.ContextLength + 1);
        _loops = options.StopsLoops && isFree ? new LoopGuard() : null;
        if (options.Speculates) _lookup = new NgramLookup(_model.ContextLength);
        if (options.LogProbabilities is { } likeliest) _meter = new LogProbabilityMeter(_model.Info.VocabularySize, likeliest);
        _isForm = !isFree;
        _trigger = options.LateConstraint?.CreateTrigger();
    }

    /// <summary>Tokens of the answer so far.</summary>
    public IReadOnlyList<int> Tokens => _tokens;

    /// <summary>Statistics so far.</summary>
    public GenerationStatistics Statistics { get; private set; }

    /// <summary>The context that it uses.</summary>
    public KvCache Memory => _cache.Memory;

    /// <summary>Tokens to compute before the next one can be chosen: what is new in the prompt, then one at a time.</summary>
    public ReadOnlySpan<int> Pending => _pending.AsSpan(_computed, _pendingEnd - _computed);

    /// <summary>Whether it needs one token for the next, or few after it has given one: such sequences share a pass.</summary>
    public bool Decodes => Pending.Length == 1 || (_tokens.Count > 0 && Pending.Length <= DraftPasses.MostTokens);

    /// <summary>Tokens of the prompt that were in the cache.</summary>
    public int Reused => _reused;

    /// <summary>Whether it has ended.</summary>
    public bool HasEnded => _reason != FinishReason.None;

    /// <summary>Takes the prompt; nothing is computed yet.</summary>
    /// <exception cref="ContextFullException">The prompt is longer than the context.</exception>
    /// <exception cref="ConstraintException">There is no room for an answer of the form that is asked for.</exception>
    public void Begin(IReadOnlyList<int> prompt)
    {
        if (prompt.Count == 0) throw new ArgumentException("the prompt has no tokens", nameof(prompt));
        _clock.Start();
        if (_options.Heal) prompt = TakeBackLast(prompt);
        SetPrompt(prompt);
        if (_options.Constraint is { } constraint)
        {
            _constraint =
                constraint.Begin(ConstraintVocabulary.Of(_model.Tokenizer, _options.VisibleTokens), Encoding.UTF8.GetBytes(_healed));
            _constraint.Fit(Room(prompt.Count));
            _constraint.Reserve();
        }
        else if (_healed.Length > 0)
        {
            _constraint = OutputConstraint.AnyText.Begin(ConstraintVocabulary.Of(_model.Tokenizer), Encoding.UTF8.GetBytes(_healed));
        }
        foreach (int token in prompt)
        {
            _sampler.Accept(token);
            _lookup?.Add(token);
        }
    }

    /// <summary>The text that the next token completes, often none; null when the answer has ended.</summary>
    public string? Next(CancellationToken cancellation)
    {
        if (_reason != FinishReason.None) return null;
        try
        {
            return (Prepare() ? Compute(cancellation) : End(FinishReason.ContextFull)).ToString();
        }
        catch (OperationCanceledException)
        {
            Cancel();
            return null;
        }
    }

    /// <summary>Whether the context has room for the pending tokens, now or after its oldest turns were dropped.</summary>
    /// <exception cref="ContextFullException">It has none, and the options ask for an error then.</exception>
    public bool Prepare()
    {
        int capacity = _cache.Memory.Capacity;
        int needed = _cache.Memory.Length + Pending.Length;
        if (needed <= capacity) return true;
        if (_options.WhenContextIsFull == ContextPolicy.Error) throw new ContextFullException(needed, capacity);
        if (_options.WhenContextIsFull == ContextPolicy.Cut || _shorten?.Invoke(_tokens.Count) is not { } shorter) return false;
        SetPrompt([.. shorter, .. _tokens]);
        return true;
    }

    /// <summary>Notes that the first of the pending tokens, not all, have been computed after what the cache holds.</summary>
    public void Advance(int tokens)
    {
        _cache.Append(Pending[..tokens]);
        _computed += tokens;
    }

    /// <summary>
    /// Chooses the next token by the logits [vocabulary] of the last pending one, and gives the text that it completes, valid until the
    /// next call. The logits are overwritten.
    /// </summary>
    public ReadOnlySpan<char> Accept(Span<float> logits)
    {
        _cache.Append(Pending);
        if (_tokens.Count == 0) _cache.Keep(); // the next prompt often begins as this one
        _meter?.Observe(logits);
        if (_constraint?.ApplyWide(logits, Room(_cache.Tokens.Count)) == false) return End(FinishReason.MaxTokens);
        int token = _sampler.Sample(logits);
        if (_constraint?.FitsRoom(token) == false)
        {
            _constraint.Narrow(logits);
            token = _sampler.SampleAgain(logits);
        }
        if (_tokens.Count == 0) _firstToken = _clock.Elapsed;
        bool isConstrained = _isForm;
        if ((!_options.IgnoreEndOfText || isConstrained) && _model.Tokenizer.IsEndOfGeneration(token))
            return End(WasForced ? FinishReason.MaxTokens : FinishReason.EndOfText);
        if (!isConstrained && _options.StopTokens.Contains(token)) return End(FinishReason.Stop);
        _sampler.Accept(token);
        _lookup?.Add(token);
        _tokens.Add(token);
        _last[0] = token;
        Await(_last);
        _text.ResetWrittenCount();
        ReadOnlySpan<char> text = WithoutHealed(_detokenizer.Add(token));
        if (_meter is not null) Measure(token, text.Length);
        _text.Write(_stops.Append(text, out bool stopped));
        _constraint?.Accept(token);
        if (!isConstrained && _healed.Length == 0) _constraint = null;
        if (!isConstrained && !stopped && _trigger?.Add(text) is { } begun) BeginForm(begun);
        if (stopped) Stop();
        else if (isConstrained && _constraint!.IsComplete) Finish(WasForced ? FinishReason.MaxTokens : FinishReason.EndOfText);
        else if (_options.MaxTokens > 0 && _tokens.Count >= _options.MaxTokens) Finish(FinishReason.MaxTokens);
        else if (!_isForm && _loops?.Add(token) == true) Finish(FinishReason.Loop);
        if (!HasEnded) _released += _text.WrittenCount;
        Report();
        return _text.WrittenSpan;
    }

    /// <summary>
    /// Holds the rest of the answer to the form that it has begun with a text; not where there is no room left for the form.
    /// </summary>
    private void BeginForm(string begun)
    {
        TokenConstraint constraint =
            _options.LateConstraint!.Constraint.Begin(ConstraintVocabulary.Of(_model.Tokenizer, _options.VisibleTokens));
        if (!constraint.TryRead(Encoding.UTF8.GetBytes(begun)) || constraint.Distance > Room(_cache.Tokens.Count + 1)) return;
        constraint.Reserve();
        (_constraint, _isForm) = (constraint, true);
        _stops.Ignore();
    }

    /// <summary>Ends the answer, and gives the text that was held back, valid until the next call.</summary>
    public ReadOnlySpan<char> End(FinishReason reason)
    {
        _text.ResetWrittenCount();
        Finish(reason);
        Report();
        return _text.WrittenSpan;
    }

    /// <summary>Ends the answer without the text that was held back.</summary>
    public void Cancel()
    {
        Close(FinishReason.Cancelled);
        Report();
    }

    /// <summary>The tokens of the only text that can come next, where a form allows one only: a draft for speculation.</summary>
    /// <returns>How many.</returns>
    public int TryGetForced(Span<int> tokens) => _constraint?.TryGetForced(tokens) ?? 0;

    /// <summary>Whether a constraint was closed because of the room that was left.</summary>
    private bool WasForced => _constraint?.WasForced == true;

    /// <summary>Tokens that the answer may still have, where a number are in the context.</summary>
    private int Room(int used)
    {
        int room = _cache.Memory.Capacity - used + 1; // the last one is not computed
        return _options.MaxTokens > 0 ? Math.Min(room, _options.MaxTokens - _tokens.Count) : room;
    }

    /// <summary>
    /// The prompt without its last token, if that is text; its text is to come first in the answer, and is left out there.
    /// </summary>
    private IReadOnlyList<int> TakeBackLast(IReadOnlyList<int> prompt)
    {
        Tokenizer tokenizer = _model.Tokenizer;
        int last = prompt[^1];
        if (prompt.Count < 2 || tokenizer.IsControl(last) || tokenizer.IsEndOfGeneration(last)) return prompt;
        string text = _detokenizer.Add(last).ToString();
        if (_detokenizer.Flush().Length > 0 || text.Contains('\uFFFD', StringComparison.Ordinal)) return prompt; // a part of a character
        _healed = text;
        return [.. prompt.Take(prompt.Count - 1)];
    }

    private ReadOnlySpan<char> WithoutHealed(ReadOnlySpan<char> text)
    {
        int common = Math.Min(_healed.Length, text.Length);
        if (common > 0) _healed = _healed[common..];
        return text[common..];
    }

    private void SetPrompt(IReadOnlyList<int> prompt)
    {
        int capacity = _cache.Memory.Capacity;
        if (prompt.Count > capacity) throw new ContextFullException(prompt.Count, capacity);
        _reused = _cache.Reuse(prompt, _options.Instructions);
        Await([.. prompt.Skip(_reused)]);
        _promptLength = prompt.Count - _tokens.Count;
    }

    /// <summary>These tokens are to be computed next.</summary>
    private void Await(ReadOnlySpan<int> tokens, ReadOnlySpan<int> then = default)
    {
        (_computed, _pendingEnd) = (0, tokens.Length + then.Length);
        if (_pending.Length < _pendingEnd) _pending = new int[_pendingEnd];
        tokens.CopyTo(_pending);
        then.CopyTo(_pending.AsSpan(tokens.Length));
    }

    private static SamplingOptions WithDryBreakers(GenerationOptions options, Tokenizer tokenizer)
    {
        if (options.Sampling.DryMultiplier == 0 || options.DryBreakers.Count == 0) return options.Sampling;
        var breakers = new List<IReadOnlyList<int>>(options.Sampling.DrySequenceBreakers);
        for (int id = 0; id < tokenizer.VocabularySize; id++)
        {
            string text = tokenizer.Decode([id], renderSpecial: true);
            if (options.DryBreakers.Any(breaker => text.Contains(breaker, StringComparison.Ordinal))) breakers.Add([id]);
        }
        return options.Sampling with { DrySequenceBreakers = breakers };
    }

    private void Finish(FinishReason reason)
    {
        Close(reason);
        _text.Write(_stops.Append(_detokenizer.Flush(), out _));
        _text.Write(_stops.Flush());
        _released = long.MaxValue;
    }

    private void Close(FinishReason reason)
    {
        _reason = reason;
        _constraint?.Release();
        if (_tokens.Count > 1) _cache.Keep(); // the next turn's prompt goes on after this answer
    }

    private void Report() =>
        Statistics = new GenerationStatistics(_promptLength, _reused, _tokens.Count, _firstToken, _clock.Elapsed - _firstToken,
            _reason)
        { DraftedTokens = _drafted, AcceptedTokens = _accepted, StopString = _stops.Matched };
}
