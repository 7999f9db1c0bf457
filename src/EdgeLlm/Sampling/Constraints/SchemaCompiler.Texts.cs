namespace EdgeLlm.Sampling.Constraints;

internal sealed partial class SchemaCompiler
{
    /// <summary>One character of a string, escaped in any way that JSON has, but no half of a surrogate pair.</summary>
    private const string AnyCharacter =
        """[^"\\\u0000-\u001f]|\\["\\/bfnrt]|\\u(?:[0-9a-cA-CefEF][0-9a-fA-F]{3}|[dD][0-7][0-9a-fA-F]{2}|[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})""";

    private Dfa? _character;

    /// <summary>The rule of a form's strings.</summary>
    private int Text(SchemaForm form)
    {
        if (form.MinLength > form.MaxLength) return 0;
        if (form.Patterns.Count == 0) return FreeText(form.MinLength, form.MaxLength);
        string key = $"{form.MinLength} {form.MaxLength} {string.Join('\0', form.Patterns.Select(pattern => pattern.Pattern))}";
        if (_patterns.TryGetValue(key, out int start)) return start;
        Dfa content = Content(form);
        return _patterns[key] = IsEmpty(content) ? 0 : _builder.AddDfa(PatternDfa.Quoted(content, _budget)) + 1;
    }

    /// <summary>Contents of a form's strings, between the quotes, with the shortest escapes.</summary>
    private Dfa Content(SchemaForm form)
    {
        Dfa? all = null;
        foreach ((string pattern, string place) in form.Patterns)
        {
            try
            {
                Dfa one = PatternDfa.Of(PatternDfa.Somewhere(RegexParser.Parse(pattern, _budget)), TextForm.Json, _budget);
                all = all is null ? one : Dfa.Intersect(all, one, _budget);
            }
            catch (ConstraintException exception)
            {
                throw new ConstraintException($"schema {place}: {exception.Message}");
            }
        }
        if (all is not null && form.MinLength == 0 && form.MaxLength == Counter.NoLimit) return all;
        if (all is not null && (form.MaxLength == Counter.NoLimit || form.MaxLength >= LongestOf(all)) && form.MinLength <= ShortestOf(all))
            return all;
        Dfa lengths = PatternDfa.OfLength(form.MinLength, form.MaxLength, _budget);
        return all is null ? lengths : Dfa.Intersect(all, lengths, _budget);
    }

    /// <summary>Bytes of the longest text, which are characters at most; <see cref="Counter.NoLimit"/> - 1 where there is none.</summary>
    private int LongestOf(Dfa dfa)
    {
        var longest = new int[dfa.Count];
        var state = new byte[dfa.Count]; // 1: on the way, 2: done
        return Visit(1, 0);

        int Visit(int at, int depth)
        {
            if (state[at] == 2) return longest[at];
            if (state[at] == 1 || depth > 500) return Counter.NoLimit - 1;
            state[at] = 1;
            _budget.Spend(dfa.Classes);
            int most = 0;
            for (int c = 0; c < dfa.Classes; c++)
            {
                if (dfa.Next(at, c) is > 0 and var next)
                    most = Math.Max(most, Visit(next, depth + 1) is var rest && rest >= Counter.NoLimit - 1 ? rest : rest + 1);
            }
            state[at] = 2;
            return longest[at] = most;
        }
    }

    /// <summary>A number of characters that every text has at least: its bytes over 6, the longest escape.</summary>
    private int ShortestOf(Dfa dfa)
    {
        var distance = new int[dfa.Count];
        var queue = new Queue<int>([1]);
        while (queue.TryDequeue(out int at))
        {
            if (dfa.Accepts(at)) return distance[at] / 6;
            _budget.Spend(dfa.Classes);
            for (int c = 0; c < dfa.Classes; c++)
            {
                if (dfa.Next(at, c) is not (> 1 and var next) || distance[next] != 0) continue;
                distance[next] = distance[at] + 1;
                queue.Enqueue(next);
            }
        }
        return 0;
    }

    /// <summary>The rule of strings of any characters, whose number is counted.</summary>
    private int FreeText(int min, int max)
    {
        if (_texts.TryGetValue((min, max), out int start)) return start;
        _character ??= WithClassOfQuote(PatternDfa.Of(RegexParser.Parse(AnyCharacter, _budget), TextForm.Plain, _budget));
        bool isCounted = min > 0 || max != Counter.NoLimit;
        int counter = _builder.AddCounter(min, max, 0);
        start = _builder.AddState();
        byte quote = _character.Map['"'];
        int first = _builder.AddDfa(_character, role: Role.Counter, owner: counter, cell: (offset, state, _, next) =>
            (_character.Accepts(next) && !HasNext(next) ? offset + 1 : offset + next)
                | (state == 1 && isCounted ? (int)Act.Count << Automaton.ActShift : 0));
        _builder.SetCell(first + 1, quote, _builder.Done, isCounted ? Act.Enough : Act.None);
        _builder.MarkText(first + 1);
        _builder.On(start, '"', first + 1);
        _builder.Unaccept(first + 1, first + _character.Count - 1);
        return _texts[(min, max)] = start;

        bool HasNext(int state) => Enumerable.Range(0, _character.Classes).Any(c => _character.Next(state, c) != 0);
    }

    /// <summary>The automaton with a class for the quote alone.</summary>
    private Dfa WithClassOfQuote(Dfa dfa)
    {
        byte[] map = [.. dfa.Map];
        byte old = map['"'];
        map['"'] = (byte)dfa.Classes;
        return Dfa.Of(map, dfa.Classes + 1, dfa.Count, (state, c) => dfa.Next(state, c == dfa.Classes ? old : c), dfa.Accepts, _budget);
    }
}
