using System.Diagnostics;
using EdgeLlm.Models;
using EdgeLlm.Sampling;
using EdgeLlm.Tokenization;

namespace EdgeLlm.Generation;

/// <summary>
/// One answer, token by token: compute, sample, detokenize, look for the end. <see cref="Next"/> does all of it; who decodes several together asks each
/// for its <see cref="Pending"/> tokens after <see cref="Prepare"/>, computes them, and hands each its logits with <see cref="Accept"/>.
/// </summary>
internal sealed class Sequence
{
    private readonly SequenceCache _cache;
    private readonly LanguageModel _model;
    private readonly GenerationOptions _options;
    private readonly Func<int, IReadOnlyList<int>?>? _shorten;
    private readonly Sampler _sampler;
    private readonly StreamingDetokenizer _detokenizer;
    private readonly StopMatcher _stops;
    private readonly LoopGuard? _loops;
    private readonly List<int> _tokens = [];
    private readonly int[] _last = new int[1];
    private readonly Stopwatch _clock = new();

    private int[] _pending = [];
    private int _promptLength;
    private int _reused;
    private TimeSpan _firstToken;
    private FinishReason _reason;

    /// <param name="cache">The context that it uses, alone until it has ended.</param>
    /// <param name="options">How; checked here.</param>
    /// <param name="shorten">Gives a shorter prompt when one that needs so many tokens has no room, or null where there is none.</param>
    public Sequence(SequenceCache cache, GenerationOptions options, Func<int, IReadOnlyList<int>?>? shorten = null)
    {
        options.Validate();
        _cache = cache;
        cache.Scope = options.Scope;
        _model = cache.Model;
        _options = options;
        _shorten = shorten;
        _sampler = new Sampler(WithDryBreakers(options, _model.Tokenizer), _model.Info.VocabularySize, _model.ContextLength);
        _detokenizer = new StreamingDetokenizer(_model.Tokenizer);
        _stops = new StopMatcher(options.StopStrings);
        _loops = options.StopsLoops ? new LoopGuard() : null;
    }

    /// <summary>Tokens of the answer so far.</summary>
    public IReadOnlyList<int> Tokens => _tokens;

    /// <summary>What it took so far.</summary>
    public GenerationStatistics Statistics { get; private set; }

    /// <summary>The context that it uses.</summary>
    public KvCache Memory => _cache.Memory;

    /// <summary>Tokens to compute before the next one can be chosen: what is new in the prompt, then one at a time.</summary>
    public ReadOnlySpan<int> Pending => _pending;

    /// <summary>Takes the prompt; nothing is computed yet.</summary>
    /// <exception cref="ContextFullException">The prompt is longer than the context.</exception>
    public void Begin(IReadOnlyList<int> prompt)
    {
        if (prompt.Count == 0) throw new ArgumentException("the prompt has no tokens", nameof(prompt));
        _clock.Start();
        SetPrompt(prompt);
        foreach (int token in prompt) _sampler.Accept(token);
    }

    /// <summary>The text that the next token completes, often none; null when the answer has ended.</summary>
    public string? Next(CancellationToken cancellation)
    {
        if (_reason != FinishReason.None) return null;
        try
        {
            return Prepare() ? Accept(_model.Forward(_pending, _cache.Memory, cancellation)) : End(FinishReason.ContextFull);
        }
        catch (OperationCanceledException)
        {
            _reason = FinishReason.Cancelled;
            if (_tokens.Count > 1) _cache.Keep();
            Report();
            return null;
        }
    }

    /// <summary>Whether the context has room for the pending tokens, now or after its oldest turns were dropped.</summary>
    /// <exception cref="ContextFullException">It has none, and the options ask for an error then.</exception>
    public bool Prepare()
    {
        int capacity = _cache.Memory.Capacity;
        if (_cache.Memory.Length + _pending.Length <= capacity) return true;
        if (_options.WhenContextIsFull == ContextPolicy.Error) throw new ContextFullException(_cache.Memory.Length + _pending.Length, capacity);
        if (_shorten?.Invoke(_tokens.Count) is not { } shorter) return false;
        SetPrompt([.. shorter, .. _tokens]);
        return true;
    }

    /// <summary>Chooses the next token by the logits [vocabulary] of the last pending one, and gives the text that it completes. They are overwritten.</summary>
    public string Accept(Span<float> logits)
    {
        _cache.Append(_pending);
        if (_tokens.Count == 0) _cache.Keep(); // the next prompt often begins as this one
        int token = _sampler.Sample(logits);
        if (_tokens.Count == 0) _firstToken = _clock.Elapsed;
        if (!_options.IgnoreEndOfText && _model.Tokenizer.IsEndOfGeneration(token)) return End(FinishReason.EndOfText);
        if (_options.StopTokens.Contains(token)) return End(FinishReason.Stop);
        _sampler.Accept(token);
        _tokens.Add(token);
        _last[0] = token;
        _pending = _last;
        string text = _stops.Append(_detokenizer.Add(token).ToString(), out bool stopped);
        if (stopped) End(FinishReason.Stop); // the rest of the text is the stop string's
        else if (_options.MaxTokens > 0 && _tokens.Count >= _options.MaxTokens) text += End(FinishReason.MaxTokens);
        else if (_loops?.Add(token) == true) text += End(FinishReason.Loop);
        Report();
        return text;
    }

    private void SetPrompt(IReadOnlyList<int> prompt)
    {
        int capacity = _cache.Memory.Capacity;
        if (prompt.Count > capacity) throw new ContextFullException(prompt.Count, capacity);
        _reused = _cache.Reuse(prompt, _options.Instructions);
        _pending = [.. prompt.Skip(_reused)];
        _promptLength = prompt.Count - _tokens.Count;
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

    private string End(FinishReason reason)
    {
        _reason = reason;
        if (_tokens.Count > 1) _cache.Keep(); // and the next turn's goes on after this answer
        string rest = _stops.Append(_detokenizer.Flush().ToString(), out _) + _stops.Flush();
        Report();
        return rest;
    }

    private void Report() => Statistics = new GenerationStatistics(_promptLength, _reused, _tokens.Count, _firstToken, _clock.Elapsed - _firstToken, _reason);
}
