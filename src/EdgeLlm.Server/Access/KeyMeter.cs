namespace EdgeLlm.Server.Access;

/// <summary>
/// Counts a key's use against its limits: requests as a bucket that fills evenly, tokens of the day (UTC). Calls may come from any thread.
/// </summary>
internal sealed class KeyMeter(TimeProvider time)
{
    private readonly Lock _gate = new();
    private int _requestsPerMinute;
    private long _tokensPerDay;
    private double _left; // requests
    private long _filledAt;
    private DateOnly _day;
    private long _tokens;

    /// <summary>The day of <see cref="Tokens"/>, UTC.</summary>
    public DateOnly Day => DateOnly.FromDateTime(time.GetUtcNow().UtcDateTime);

    /// <summary>Tokens of prompts and answers since midnight, UTC.</summary>
    public long Tokens
    {
        get
        {
            lock (_gate) return _day == Day ? _tokens : 0;
        }
    }

    /// <summary>Sets the limits; what was used stays used.</summary>
    public void Limit(ApiKey key)
    {
        lock (_gate)
        {
            if (_requestsPerMinute != key.RequestsPerMinute) (_left, _filledAt) = (key.RequestsPerMinute, time.GetTimestamp());
            (_requestsPerMinute, _tokensPerDay) = (key.RequestsPerMinute, key.TokensPerDay);
        }
    }

    /// <summary>Counts a request.</summary>
    /// <returns>What is used up and when there is some again; null: the request may continue.</returns>
    public (string Problem, TimeSpan RetryAfter)? Begin()
    {
        lock (_gate)
        {
            DateTimeOffset now = time.GetUtcNow();
            if (_tokensPerDay > 0 && _day == Day && _tokens >= _tokensPerDay)
                return ($"this key's {_tokensPerDay} tokens a day are used up; the next day begins at midnight UTC",
                    now.UtcDateTime.Date.AddDays(1) - now.UtcDateTime);
            if (_requestsPerMinute == 0) return null;
            double each = 60.0 / _requestsPerMinute; // seconds
            _left = Math.Min(_requestsPerMinute, _left + time.GetElapsedTime(_filledAt).TotalSeconds / each);
            _filledAt = time.GetTimestamp();
            if (_left < 1)
                return ($"this key's {_requestsPerMinute} requests a minute are used up", TimeSpan.FromSeconds((1 - _left) * each));
            _left--;
            return null;
        }
    }

    /// <summary>Counts tokens that were computed or read for the key.</summary>
    public void Spend(long tokens)
    {
        lock (_gate)
        {
            if (_day != Day) (_day, _tokens) = (Day, 0);
            _tokens += tokens;
        }
    }
}
