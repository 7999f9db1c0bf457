using System.Globalization;
using System.Text.Json;
using EdgeLlm.Chat;
using EdgeLlm.Generation;
using EdgeLlm.Generation.Scheduling;
using EdgeLlm.Models;
using EdgeLlm.Server.Access;
using EdgeLlm.Server.Answers;
using EdgeLlm.Server.Engine;
using EdgeLlm.Server.Http;

namespace EdgeLlm.Server.Mcp;

/// <summary>The models as tools: to ask one, to get vectors of texts, to order texts by a question.</summary>
internal sealed class ModelTools(InferenceEngine engine)
{
    private const int MostTexts = 256;

    private const string ModelSchema = "\"model\":{\"type\":\"string\",\"description\":\"A model's name; without it, the service's own\"}";

    public IEnumerable<ServiceTool> All =>
    [
        new("ask", "Asks the local language model and gives its answer.", $$$"""
            {"type":"object","required":["prompt"],"properties":{"prompt":{"type":"string","description":"The question or task"},
            "system":{"type":"string","description":"How to answer"},"max_tokens":{"type":"integer","minimum":1,"description":"Most tokens of the answer"},
            "temperature":{"type":"number","minimum":0},"seed":{"type":"integer"},{{{ModelSchema}}}}}
            """, AskAsync),
        new("embed", "Makes a vector of each text; near vectors mean near meanings. The answer is JSON: a list of lists of numbers.", $$$"""
            {"type":"object","required":["texts"],"properties":{"texts":{"type":"array","items":{"type":"string"},"minItems":1,"maxItems":{{{MostTexts}}}},{{{ModelSchema}}}}}
            """, EmbedAsync),
        new("rerank", "Orders texts by how well they fit a question, the best first. The answer is JSON: index and score of each.", $$$"""
            {"type":"object","required":["query","texts"],"properties":{"query":{"type":"string"},
            "texts":{"type":"array","items":{"type":"string"},"minItems":1,"maxItems":{{{MostTexts}}}},{{{ModelSchema}}}}}
            """, RerankAsync),
    ];

    private async Task<string> AskAsync(IReadOnlyDictionary<string, JsonElement> arguments, CancellationToken cancellation)
    {
        RequireKnown(arguments, "prompt", "system", "max_tokens", "temperature", "seed", "model");
        List<ChatMessage> turns = [new("user", Text(arguments, "prompt") ?? throw Wrong("prompt", "is missing"))];
        if (Text(arguments, "system") is { Length: > 0 } system) turns.Insert(0, new ChatMessage("system", system));
        int most = (int)(Number(arguments, "max_tokens", 1, int.MaxValue) ?? 0);
        var options = new GenerationOptions { MaxTokens = most, WhenContextIsFull = ContextPolicy.Cut, Scope = Caller.Current.Scope };
        if (Number(arguments, "temperature", 0, 100) is { } temperature)
            options = options with { Sampling = options.Sampling with { Temperature = (float)temperature } };
        if (Number(arguments, "seed", 0, 1L << 53) is { } seed)
            options = options with { Sampling = options.Sampling with { Seed = (ulong)seed } };
        engine.RequireRoom();
        using ModelLease lease = await UseAsync(arguments, cancellation).ConfigureAwait(false);
        (LanguageModel Model, ChatFormat Format) current = Prompts.ChatOf(lease);
        List<int> prompt =
            await Prompts.EncodeAsync(current, new Conversation(turns), most, ContextPolicy.Cut, cancellation).ConfigureAwait(false);
        var request = new AnswerRequest(prompt)
        {
            Options = Prompts.Limit(options, current.Model, prompt.Count),
            Client = Caller.Current.Name ?? "mcp",
        };
        return await engine.Submit(lease, request, cancellation).ReadToEndAsync().ConfigureAwait(false);
    }

    private async Task<string> EmbedAsync(IReadOnlyDictionary<string, JsonElement> arguments, CancellationToken cancellation)
    {
        RequireKnown(arguments, "texts", "model");
        string[] texts = Texts(arguments);
        using ModelLease lease = await UseAsync(arguments, cancellation).ConfigureAwait(false);
        var vectors = new float[texts.Length][];
        for (int i = 0; i < texts.Length; i++)
            vectors[i] =
                (await engine.EncodeAsync(lease, [texts[i]], encoder => encoder.Embed([texts[i]], cancellation)).ConfigureAwait(false))[0];
        return $"[{string.Join(',', vectors.Select(vector => $"[{string.Join(',', vector.Select(value => value.ToString("R", CultureInfo.InvariantCulture)))}]"))}]";
    }

    private async Task<string> RerankAsync(IReadOnlyDictionary<string, JsonElement> arguments, CancellationToken cancellation)
    {
        RequireKnown(arguments, "query", "texts", "model");
        string query = Text(arguments, "query") ?? throw Wrong("query", "is missing");
        string[] texts = Texts(arguments);
        using ModelLease lease = await UseAsync(arguments, cancellation).ConfigureAwait(false);
        var scores = new (int Index, float Score)[texts.Length];
        for (int i = 0; i < texts.Length; i++)
            scores[i] =
                (i, await engine.EncodeAsync(lease, [query, texts[i]],
                    encoder => Score(encoder, query, texts[i], cancellation)).ConfigureAwait(false));
        return $"[{string.Join(',', scores.OrderByDescending(one => one.Score).Select(one => string.Create(CultureInfo.InvariantCulture, $$"""{"index":{{one.Index}},"score":{{one.Score}}}""")))}]";
    }

    private static float Score(TextEncoder encoder, string query, string text, CancellationToken cancellation)
    {
        if (encoder.Labels != 1)
            throw new ApiException(400,
                $"the model '{encoder.Name}' does not order texts: that takes a reranker (a cross-encoder with one label)",
                "unsupported_model", "model");
        return encoder.Rerank(query, [text], cancellation)[0].Score;
    }

    private Task<ModelLease> UseAsync(IReadOnlyDictionary<string, JsonElement> arguments, CancellationToken cancellation)
    {
        string name = Text(arguments, "model") is { Length: > 0 } named ? named : engine.Models.Own.Name;
        ServedModel served = engine.Find(name)
            ?? throw new ApiException(404, $"the model '{name}' is not here; this service has {engine.ModelNames}",
                "model_not_found", "model");
        return engine.UseAsync(served, cancellation);
    }

    private static string[] Texts(IReadOnlyDictionary<string, JsonElement> arguments)
    {
        if (!arguments.TryGetValue("texts", out JsonElement list) || list.ValueKind != JsonValueKind.Array
            || list.GetArrayLength() is 0 or > MostTexts)
            throw Wrong("texts", $"must be a list of 1 to {MostTexts} texts");
        return [.. list.EnumerateArray()
            .Select((item, i) => Text(item, $"texts[{i}]") is { Length: > 0 } text ? text : throw Wrong($"texts[{i}]", "is empty"))];
    }

    private static string? Text(IReadOnlyDictionary<string, JsonElement> arguments, string name) =>
        arguments.TryGetValue(name, out JsonElement value) && value.ValueKind != JsonValueKind.Null ? Text(value, name) : null;

    private static string Text(JsonElement value, string name)
    {
        try
        {
            return value.ValueKind == JsonValueKind.String ? value.GetString()! : throw Wrong(name, "must be a text");
        }
        catch (InvalidOperationException)
        {
            throw Wrong(name, "has half a character (a lone surrogate)");
        }
    }

    private static double? Number(IReadOnlyDictionary<string, JsonElement> arguments, string name, double least, double most)
    {
        if (!arguments.TryGetValue(name, out JsonElement value) || value.ValueKind == JsonValueKind.Null) return null;
        if (value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out double number) && number >= least && number <= most)
            return number;
        throw Wrong(name, string.Create(CultureInfo.InvariantCulture, $"must be a number from {least} to {most}"));
    }

    private static void RequireKnown(IReadOnlyDictionary<string, JsonElement> arguments, params ReadOnlySpan<string> names)
    {
        foreach (string name in arguments.Keys)
        {
            if (!names.Contains(name)) throw Wrong(Printable.Line(name, 60), "is not an argument of this tool");
        }
    }

    private static ApiException Wrong(string name, string problem) => ApiException.Field(name, problem);
}
