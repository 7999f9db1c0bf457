using System.Diagnostics;
using System.Text;
using EdgeLlm.Generation;
using EdgeLlm.Generation.Scheduling;

namespace EdgeLlm.Server.Fleet;

/// <summary>
/// A job that a gateway waits for: the text so far, and the answers that read it (more than one where a request came again by its
/// Idempotency-Key).
/// </summary>
internal sealed class GatewayJob(string id)
{
    /// <summary>A worker that sends more than any context holds is broken.</summary>
    private const int MostCharacters = 16 << 20, MostTokens = 1 << 20;

    private readonly Lock _gate = new();
    private readonly List<Answer> _answers = [];
    private readonly StringBuilder _text = new();
    private readonly List<FleetProbability> _probabilities = [];
    private FleetEnd? _end;
    private Exception? _failure;
    private readonly long _began = Stopwatch.GetTimestamp();
    private int _published;

    public string Id => id;

    /// <summary>Time since it came, or since the gateway's start.</summary>
    public TimeSpan Age => Stopwatch.GetElapsedTime(_began);

    /// <summary>Whether a client waits for it.</summary>
    public bool IsRead
    {
        get
        {
            lock (_gate) return _answers.Count > 0;
        }
    }

    /// <summary>Hash of its Idempotency-Key; null: it has none.</summary>
    public string? Key { get; init; }

    /// <summary>Message to the broker; null for a job of before the gateway's start that nobody asked for again.</summary>
    public FleetJob? Message { get; set; }

    public bool IsOver
    {
        get
        {
            lock (_gate) return _end is not null || _failure is not null;
        }
    }

    /// <summary>An answer that is known already.</summary>
    public static void Replay(Answer answer, string text, IReadOnlyList<FleetProbability> probabilities, FleetEnd end)
    {
        answer.Begin();
        Write(answer, text, probabilities);
        Finish(answer, end);
    }

    /// <summary>True for the first who asks: he publishes it.</summary>
    public bool TakePublishing() => Interlocked.Exchange(ref _published, 1) == 0;

    /// <summary>Lets an answer read it from the beginning.</summary>
    public void Attach(Answer answer)
    {
        lock (_gate)
        {
            if (_failure is { } failure) Fail(answer, failure);
            else if (_end is { } end) Replay(answer, _text.ToString(), _probabilities, end);
            else
            {
                if (_text.Length > 0) answer.Begin();
                Write(answer, _text.ToString(), _probabilities);
                _answers.Add(answer);
            }
        }
    }

    /// <summary>Ends an answer whose client has gone or whose time is over.</summary>
    /// <returns>Whether nobody reads the job any more.</returns>
    public bool Detach(Answer answer)
    {
        lock (_gate)
        {
            if (!_answers.Remove(answer)) return false;
            if (answer.IsCancelled) Fail(answer, new OperationCanceledException("the caller asked for the end"));
            else if (_text.Length > 0)
                Finish(answer, new FleetEnd("") { Reason = nameof(FinishReason.TimeLimit), PromptTokens = answer.Request.Prompt.Count });
            else
                Fail(answer, new SchedulerBusyException("the request's time was over before its turn came", queueIsFull: true,
                    TimeSpan.FromSeconds(5)));
            return _answers.Count == 0;
        }
    }

    /// <summary>Takes a piece, or the whole text at the end; what is there already is compared.</summary>
    /// <returns>False where it differs.</returns>
    public bool Take(FleetReply reply)
    {
        lock (_gate)
        {
            if (reply.End is { Error: not null }) return true;
            int known = _text.Length - reply.Index, measured = _probabilities.Count - reply.At;
            if (known < 0 || measured < 0) return true; // one before it was lost with the broker: the end has all of it
            ReadOnlySpan<FleetProbability> probabilities = reply.Probabilities;
            if (reply.At + probabilities.Length > MostTokens) return false;
            int alike = Math.Min(measured, probabilities.Length);
            for (int i = 0; i < alike; i++)
            {
                if (!_probabilities[reply.At + i].IsAs(probabilities[i])) return false;
            }
            if (reply.Index + reply.Text.Length > MostCharacters) return false;
            int common = Math.Min(known, reply.Text.Length);
            for (int i = 0, at = reply.Index; i < common; i++, at++)
            {
                if (_text[at] != reply.Text[i]) return false;
            }
            if (reply.End is not null && reply.Text.Length < _text.Length) return false;
            string more = reply.Text[common..];
            if (_text.Length == 0 && more.Length > 0)
            {
                foreach (Answer answer in _answers) answer.Begin();
            }
            FleetProbability[] moreProbabilities = [.. probabilities[alike..]];
            _text.Append(more);
            _probabilities.AddRange(moreProbabilities);
            foreach (Answer answer in _answers) Write(answer, more, moreProbabilities);
            return true;
        }
    }

    /// <summary>Ends all answers.</summary>
    public void End(FleetEnd end)
    {
        lock (_gate)
        {
            if (_end is not null || _failure is not null) return;
            if (end.Error is not null || !Enum.TryParse(end.Reason, out FinishReason reason) || !Enum.IsDefined(reason))
                _failure = new Http.ApiException(502, end.Error ?? "the worker's answer has no end", "fleet_error");
            else _end = end;
            foreach (Answer answer in _answers)
            {
                if (_failure is { } failure) Fail(answer, failure);
                else Finish(answer, end);
            }
            _answers.Clear();
        }
    }

    /// <summary>Fails all answers.</summary>
    public void Fail(Exception exception)
    {
        lock (_gate)
        {
            if (_end is not null || _failure is not null) return;
            _failure = exception;
            foreach (Answer answer in _answers) Fail(answer, exception);
            _answers.Clear();
        }
    }

    private static void Write(Answer answer, string text, IReadOnlyList<FleetProbability> probabilities)
    {
        foreach (FleetProbability probability in probabilities) answer.Add(probability.ToToken());
        answer.Write(text);
    }

    private static void Finish(Answer answer, FleetEnd end)
    {
        _ = Enum.TryParse(end.Reason, out FinishReason reason);
        answer.Generated = end.Tokens.Length;
        answer.End(end.Tokens, new GenerationStatistics(
            end.PromptTokens, end.CachedTokens, end.Tokens.Length, TimeSpan.FromSeconds(Math.Clamp(end.FirstTokenSeconds, 0, 1e6)),
            TimeSpan.FromSeconds(Math.Clamp(end.DecodeSeconds, 0, 1e6)), reason));
        _ = Task.Run(() => answer.LetGo());
    }

    private static void Fail(Answer answer, Exception exception)
    {
        answer.Fail(exception);
        _ = Task.Run(() => answer.LetGo()); // not in the callback of the token that it disposes of
    }
}
