using System.Text.Json.Nodes;
using EdgeLlm.Chat;
using EdgeLlm.Generation;
using EdgeLlm.Generation.Scheduling;
using EdgeLlm.Models;
using EdgeLlm.Sampling;
using EdgeLlm.Sampling.Constraints;
using EdgeLlm.Tests;

namespace EdgeLlm.Fuzz;

/// <summary>
/// Answers of a model within random and hand-written JSON Schemas, a line a schema, for tools/test-constraints to check with another
/// validator; and what masks cost.
/// </summary>
internal sealed class ConstraintAnswers(LanguageModel model, int samples, int maxTokens, float temperature, bool computes) : IDisposable
{
    private const int SlowMicroseconds = 3000; // about a step of SmolLM2
    private readonly List<long> _maskMicroseconds = [];
    private readonly List<(long Microseconds, long Nodes, long Reads, string Text)> _slow = [];
    private double _stepMilliseconds; // of an answer alone
    private readonly Scheduler _scheduler = new(new SchedulerOptions { Queue = 1024 });
    private readonly ChatFormat _format = new(model);

    /// <summary>Makes them.</summary>
    /// <param name="handWritten">A file with a list of schemas, or null.</param>
    /// <param name="computes">Whether the model computes; else tokens come by how common they are, which checks forms and masks within
    /// minutes.</param>
    /// <param name="resumes">Whether the output has the first answers already, of a run that was stopped.</param>
    /// <returns>The exit code.</returns>
    public static int Run(string modelPath, int schemas, int samples, ulong seed, string? handWritten, string output, bool computes,
        bool resumes)
    {
        using LanguageModel model =
            LanguageModel.Load(modelPath, new ModelOptions { ContextLength = 1024, Contexts = LanguageModel.MostSequences });
        using var answers = new ConstraintAnswers(model, samples, maxTokens: 512, temperature: 1.5f, computes);
        var generator = new SchemaGenerator(seed);
        var all = new List<string>();
        if (handWritten is not null)
            all.AddRange(JsonNode.Parse(File.ReadAllText(handWritten))!.AsArray().Select(schema => schema!.ToJsonString()));
        int byHand = all.Count, refused = 0;
        while (all.Count < schemas) all.Add(generator.Next());
        if (all.Count > schemas) all = [.. all.Where((_, i) => i % (all.Count / schemas + 1) == 0)];
        var reasons = new SortedDictionary<string, int>();
        long longest = 0;
        var group = new List<(string Schema, OutputConstraint Constraint, ulong Seed)>(); // whose answers are computed together
        int done = resumes && File.Exists(output) ? File.ReadLines(output).Count() : 0;
        using (var file = new StreamWriter(output, append: resumes) { AutoFlush = true })
        {
            for (int i = 0; i < all.Count; i++)
            {
                OutputConstraint constraint;
                try
                {
                    constraint = OutputConstraint.JsonSchema(all[i]);
                }
                catch (ConstraintException exception)
                {
                    refused++;
                    string reason = exception.Message.Split(": ")[^1];
                    reasons[reason] = reasons.GetValueOrDefault(reason) + 1;
                    continue;
                }
                long start = FuzzCase.ThreadCpu();
                OutputConstraint.JsonSchema(all[i]); // once more, now that the code is compiled
                longest = Math.Max(longest, FuzzCase.ThreadCpu() - start);
                if (done-- > 0) continue;
                group.Add((all[i], constraint, (ulong)i));
                if (group.Count * samples >= 32 * LanguageModel.MostSequences) Write(); // many: the last of them decode alone
            }
            Write();

            void Write()
            {
                foreach (JsonObject line in answers.Of(group)) file.WriteLine(line.ToJsonString());
                group.Clear();
            }
        }
        Console.WriteLine(
            $"{all.Count} schemas ({Math.Min(byHand, all.Count)} by hand), {refused} refused ({100.0 * refused / all.Count:F1} %), the "
                + $"longest compilation {longest / 1000.0:F1} ms of processor time");
        foreach ((string reason, int count) in reasons) Console.WriteLine($"  refused {count}: {reason}");
        answers.Report();
        return refused * 10 <= all.Count ? 0 : 1;
    }

    public void Dispose() => _scheduler.Dispose();

    /// <summary>
    /// Answers of schemas; those that are computed decode together, but for the very first, which says how long a step takes.
    /// </summary>
    private List<JsonObject> Of(IReadOnlyList<(string Schema, OutputConstraint Constraint, ulong Seed)> group)
    {
        List<int> prompt =
            _format.Encode(new ChatRequest { Messages = [new ChatMessage("user", "Answer with a JSON value of your own invention.")] });
        var running = new Queue<(Answer Answer, Task<string> Text)>();
        if (computes)
        {
            foreach ((_, OutputConstraint constraint, ulong seed) in group)
            {
                for (int sample = 0; sample < samples; sample++)
                {
                    Answer answer = _scheduler.Submit(model, new AnswerRequest(prompt) { Options = OptionsOf(constraint, seed, sample) });
                    running.Enqueue((answer, answer.ReadToEndAsync()));
                    if (_stepMilliseconds > 0) continue;
                    Task.WaitAll(running.Select(one => one.Text));
                    if (answer.Tokens.Count > 8)
                        _stepMilliseconds = answer.Statistics.DecodeTime.TotalMilliseconds / (answer.Tokens.Count - 1);
                }
            }
            Task.WaitAll(running.Select(one => one.Text)); // masks are measured when nothing else computes
        }
        var lines = new List<JsonObject>();
        foreach ((string schema, OutputConstraint constraint, ulong seed) in group)
        {
            var texts = new JsonArray();
            for (int sample = 0; sample < samples; sample++)
            {
                (string all, IReadOnlyList<int> tokens, bool isForced) = computes ? Computed()
                    : Drawn(constraint, OptionsOf(constraint, seed, sample));
                bool isWhole = constraint.Accepts(all);
                int forcedFrom = computes ? Measure(constraint, tokens) : _drawnForcedFrom;
                texts.Add(new JsonObject
                {
                    ["text"] = all,
                    ["tokens"] = tokens.Count,
                    ["forcedFrom"] = forcedFrom,
                    ["reason"] = !isWhole ? "cut" : isForced ? "length" : "stop"
                });
            }
            lines.Add(new JsonObject
            {
                ["schema"] = JsonNode.Parse(schema),
                ["bounded"] = IsBounded(JsonNode.Parse(schema)),
                ["answers"] = texts
            });
        }
        return lines;

        (string, IReadOnlyList<int>, bool) Computed()
        {
            (Answer answer, Task<string> text) = running.Dequeue();
            return (text.Result, answer.Tokens, answer.Statistics.WasCutShort);
        }
    }

    private GenerationOptions OptionsOf(OutputConstraint constraint, ulong seed, int sample) => new()
    {
        Constraint = constraint,
        MaxTokens = maxTokens,
        Sampling = new SamplingOptions { Temperature = temperature, TopK = 0, TopP = 1, MinP = 0, Seed = seed * 16 + (ulong)sample },
    };

    /// <summary>
    /// An answer of tokens that come by their numbers, which are in the order of how common they are in vocabularies that were made by
    /// merging.
    /// </summary>
    private (string Text, IReadOnlyList<int> Tokens, bool IsForced) Drawn(OutputConstraint constraint, GenerationOptions options)
    {
        var sampler = new Sampler(options.Sampling, model.Info.VocabularySize);
        TokenConstraint session = constraint.Begin(ConstraintVocabulary.Of(model.Tokenizer));
        session.Fit(maxTokens);
        var logits = new float[model.Info.VocabularySize];
        var tokens = new List<int>();
        _drawnForcedFrom = -1;
        while (tokens.Count < maxTokens && !session.IsComplete)
        {
            for (int token = 0; token < logits.Length; token++) logits[token] = -1.5f * MathF.Log(token + 30);
            for (int token = 0; token < logits.Length; token++)
            {
                if (model.Tokenizer.IsEndOfGeneration(token)) logits[token] = -4;
            }
            int chosen = 0;
            Measured(session, tokens, tokens.Count, () =>
            {
                if (!session.ApplyWide(logits, maxTokens - tokens.Count)) chosen = -1;
            });
            if (chosen < 0) break;
            chosen = sampler.Sample(logits);
            if (!session.FitsRoom(chosen))
            {
                session.Narrow(logits);
                chosen = sampler.SampleAgain(logits);
            }
            if (session.WasForced && _drawnForcedFrom < 0) _drawnForcedFrom = tokens.Count;
            if (model.Tokenizer.IsEndOfGeneration(chosen)) break;
            tokens.Add(chosen);
            Measured(session, tokens, tokens.Count, () => session.Accept(chosen), isNew: false);
        }
        return (model.Tokenizer.Decode([.. tokens]), tokens, session.WasForced);
    }

    private int _drawnForcedFrom;

    private void Measured(TokenConstraint session, IReadOnlyList<int> tokens, int count, Action action, bool isNew = true)
    {
        (long nodes, long reads) = session.Work;
        long start = FuzzCase.ThreadCpu();
        action();
        long time = FuzzCase.ThreadCpu() - start;
        if (isNew) _maskMicroseconds.Add(time);
        else _maskMicroseconds[^1] += time;
        if (_maskMicroseconds[^1] > SlowMicroseconds)
            _slow.Add((_maskMicroseconds[^1], session.Work.Nodes - nodes, session.Work.Reads - reads,
                model.Tokenizer.Decode([.. tokens.Take(count)])));
    }

    /// <summary>
    /// Reads an answer again, and measures its masks in the thread's processor time. Gives from which token on its end was forced, or -1.
    /// </summary>
    private int Measure(OutputConstraint constraint, IReadOnlyList<int> tokens)
    {
        TokenConstraint session = constraint.Begin(ConstraintVocabulary.Of(model.Tokenizer));
        session.Fit(maxTokens);
        var logits = new float[model.Info.VocabularySize];
        int tight = -1;
        for (int i = 0; i < tokens.Count; i++)
        {
            Measured(session, tokens, i, () => session.ApplyWide(logits, maxTokens - i));
            if (tight < 0 && !session.FitsRoom(tokens[i]))
                throw new InvalidOperationException("a token was chosen after which the answer can't end in time");
            Measured(session, tokens, i, () => session.Accept(tokens[i]), isNew: false);
        }
        return tight;
    }

    /// <summary>Whether all strings of a schema's instances have a bound: no free keys or values, no pattern without a length.</summary>
    private static bool IsBounded(JsonNode? schema)
    {
        if (schema is JsonValue value) return !value.GetValue<bool>();
        var form = (JsonObject)schema!;
        if (form["$defs"] is JsonObject definitions && !definitions.All(definition => IsBounded(definition.Value))) return false;
        if (form.ContainsKey("const") || form.ContainsKey("enum") || form.ContainsKey("$ref")) return true;
        if ((form["anyOf"] ?? form["oneOf"]) is JsonArray choices) return choices.All(IsBounded);
        string[] types = form["type"] switch
        {
            JsonArray list => [.. list.Select(type => (string)type!)],
            JsonValue one => [(string)one!],
            _ => ["string"]
        };
        if (types.Contains("string") && !form.ContainsKey("maxLength") && (string?)form["format"] is null or "uri" or "color") return false;
        if (types.Contains("object"))
        {
            if (form["additionalProperties"] is not JsonValue || form.ContainsKey("patternProperties")) return false;
            if (form["properties"] is JsonObject members && !members.All(member => IsBounded(member.Value))) return false;
        }
        if (!types.Contains("array")) return true;
        if (!form.ContainsKey("maxItems") && !form.ContainsKey("uniqueItems")) return false;
        return (form["prefixItems"] is not JsonArray first || first.All(IsBounded)) && form["items"] is { } items && IsBounded(items);
    }

    private void Report()
    {
        if (_maskMicroseconds.Count == 0) return;
        _maskMicroseconds.Sort();
        foreach ((long time, long nodes, long reads, string text) in _slow.OrderByDescending(slow => slow.Microseconds).Take(8))
            Console.WriteLine(
                $"  slow: {time} us ({nodes} nodes, {reads} read) after {text.Length} characters: "
                    + $"...{text[^Math.Min(100, text.Length)..].ReplaceLineEndings("|")}");
        Console.WriteLine(
            $"masks of {_maskMicroseconds.Count} tokens: median {At(0.5)} us, 99th percentile {At(0.99)} us, 99.9th {At(0.999)} us, "
                + $"longest {_maskMicroseconds[^1]} us of the thread's processor time; a step takes {_stepMilliseconds:F2} ms");

        long At(double share) => _maskMicroseconds[(int)(share * (_maskMicroseconds.Count - 1))];
    }
}
