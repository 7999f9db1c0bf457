using System.Text;
using System.Text.Json.Nodes;
using EdgeLlm.Chat;
using EdgeLlm.Generation;
using EdgeLlm.Models;
using EdgeLlm.Sampling;
using EdgeLlm.Sampling.Constraints;
using EdgeLlm.Tests;

namespace EdgeLlm.Fuzz;

/// <summary>
/// Answers of a model within random and hand-written JSON Schemas, a line a schema, for tools/test-constraints to check with another validator; and what masks cost.
/// </summary>
internal sealed class ConstraintAnswers(LanguageModel model, int samples, int maxTokens, float temperature)
{
    private readonly List<long> _maskMicroseconds = [];
    private readonly List<double> _stepMilliseconds = [];
    private readonly TextGenerator _generator = new(model);
    private readonly ChatFormat _format = new(model);

    /// <summary>Makes them.</summary>
    /// <param name="handWritten">A file with a list of schemas, or null.</param>
    /// <returns>The exit code.</returns>
    public static int Run(string modelPath, int schemas, int samples, ulong seed, string? handWritten, string output)
    {
        using LanguageModel model = LanguageModel.Load(modelPath, new ModelOptions { ContextLength = 1024 });
        var answers = new ConstraintAnswers(model, samples, maxTokens: 512, temperature: 1.5f);
        var generator = new SchemaGenerator(seed);
        var all = new List<string>();
        if (handWritten is not null) all.AddRange(JsonNode.Parse(File.ReadAllText(handWritten))!.AsArray().Select(schema => schema!.ToJsonString()));
        int byHand = all.Count, refused = 0;
        while (all.Count < schemas) all.Add(generator.Next());
        if (all.Count > schemas) all = [.. all.Where((_, i) => i % (all.Count / schemas + 1) == 0)];
        var reasons = new SortedDictionary<string, int>();
        long longest = 0;
        using (var file = new StreamWriter(output) { AutoFlush = true })
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
                file.WriteLine(answers.Of(all[i], constraint, (ulong)i).ToJsonString());
            }
        }
        Console.WriteLine($"{all.Count} schemas ({Math.Min(byHand, all.Count)} by hand), {refused} refused ({100.0 * refused / all.Count:F1} %), the longest compilation {longest / 1000.0:F1} ms of processor time");
        foreach ((string reason, int count) in reasons) Console.WriteLine($"  refused {count}: {reason}");
        answers.Report();
        return refused * 10 <= all.Count ? 0 : 1;
    }

    private JsonObject Of(string schema, OutputConstraint constraint, ulong seed)
    {
        var texts = new JsonArray();
        List<int> prompt = _format.Encode(new ChatRequest { Messages = [new ChatMessage("user", "Answer with a JSON value of your own invention.")] });
        for (int sample = 0; sample < samples; sample++)
        {
            var options = new GenerationOptions
            {
                Constraint = constraint,
                MaxTokens = maxTokens,
                Sampling = new SamplingOptions { Temperature = temperature, TopK = 0, TopP = 1, MinP = 0, Seed = seed * 16 + (ulong)sample },
            };
            var text = new StringBuilder();
            using TextGenerator.AnswerTurn turn = _generator.BeginAnswer();
            Sequence answer = _generator.Begin(prompt, options);
            while (answer.Next(CancellationToken.None) is { } piece) text.Append(piece);
            string all = text.ToString();
            bool isWhole = constraint.Accepts(all);
            texts.Add(new JsonObject { ["text"] = all, ["reason"] = !isWhole ? "cut" : answer.Statistics.WasCutShort ? "length" : "stop" });
            if (answer.Statistics.GeneratedTokens > 1) _stepMilliseconds.Add(answer.Statistics.DecodeTime.TotalMilliseconds / (answer.Statistics.GeneratedTokens - 1));
            Measure(constraint, answer.Tokens);
        }
        return new JsonObject { ["schema"] = JsonNode.Parse(schema), ["answers"] = texts };
    }

    /// <summary>Reads an answer again, and measures its masks in the thread's processor time.</summary>
    private void Measure(OutputConstraint constraint, IReadOnlyList<int> tokens)
    {
        TokenConstraint session = constraint.Begin(ConstraintVocabulary.Of(model.Tokenizer));
        var logits = new float[model.Info.VocabularySize];
        for (int i = 0; i < tokens.Count; i++)
        {
            long start = FuzzCase.ThreadCpu();
            session.Apply(logits, maxTokens - i);
            session.Accept(tokens[i]);
            _maskMicroseconds.Add(FuzzCase.ThreadCpu() - start);
        }
    }

    private void Report()
    {
        if (_maskMicroseconds.Count == 0) return;
        _maskMicroseconds.Sort();
        _stepMilliseconds.Sort();
        double step = _stepMilliseconds.Count > 0 ? _stepMilliseconds[_stepMilliseconds.Count / 2] : 0;
        Console.WriteLine($"masks of {_maskMicroseconds.Count} tokens: median {At(0.5)} us, 99th percentile {At(0.99)} us, 99.9th {At(0.999)} us, longest {_maskMicroseconds[^1]} us of the thread's processor time; a step takes {step:F2} ms (median)");

        long At(double share) => _maskMicroseconds[(int)(share * (_maskMicroseconds.Count - 1))];
    }
}
