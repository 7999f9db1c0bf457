using System.Globalization;
using System.Text.Json;
using EdgeLlm.Files;
using EdgeLlm.Models;
using EdgeLlm.Models.Inspection;

namespace EdgeLlm.Cli.Explain;

/// <summary>A model, or one with adapters, and what it made of a text.</summary>
internal sealed record ExplainedModel(LanguageModel Model, string Name, Explanation Explanation)
{
    /// <summary>
    /// A token's text as it is in the middle of a text, where some tokenizers have a space that they leave out at the start; special ones
    /// by their names.
    /// </summary>
    public string TextOf(int id)
    {
        string first = Model.Tokenizer.Decode([id], renderSpecial: true), twice = Model.Tokenizer.Decode([id, id], renderSpecial: true);
        return twice.Length >= 2 * first.Length ? twice[first.Length..] : first;
    }
}

/// <summary>Document of `explain -o FILE.json`; docs/explain.schema.json is its schema.</summary>
internal static class ExplainJson
{
    public static void Write(IReadOnlyList<ExplainedModel> models, Stream output)
    {
        using var json = new Utf8JsonWriter(output);
        json.WriteStartObject();
        json.WriteNumber("version", 1);
        json.WriteStartArray("models");
        foreach (ExplainedModel model in models) Write(model, json);
        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void Write(ExplainedModel model, Utf8JsonWriter json)
    {
        Explanation explanation = model.Explanation;
        json.WriteStartObject();
        json.WriteString("name", model.Name);
        json.WriteNumber("prompt_tokens", explanation.PromptTokens);
        json.WriteArray("layers", explanation.Layers, json.WriteNumberValue);
        json.WriteObjects("tokens", explanation.Tokens, token =>
        {
            json.WriteNumber("id", token.Id);
            json.WriteString("text", model.TextOf(token.Id));
            Number(json, "probability", token.Probability);
            if (token.Rank is { } rank) json.WriteNumber("rank", rank);
            else json.WriteNull("rank");
            Number(json, "surprise", token.Probability is { } probability ? -Math.Log2(Math.Max(probability, 1e-300)) : null);
            WriteCandidates(model, json, "candidates", token.Candidates);
            if (token.Layers.Count > 0) WriteLayers(model, json, token.Layers);
        });
        json.WriteEndObject();
    }

    private static void WriteLayers(ExplainedModel model, Utf8JsonWriter json, IReadOnlyList<ExplainedLayer> layers)
    {
        json.WriteObjects("layers", layers, layer =>
        {
            WriteCandidates(model, json, "lens", layer.Lens);
            Number(json, "norm", layer.Norm);
            json.WriteStartArray("attention"); // of each head [position, share] each
            foreach (IReadOnlyList<(int Position, double Share)> head in layer.Attention)
            {
                json.WriteStartArray();
                foreach ((int position, double share) in head)
                {
                    json.WriteStartArray();
                    json.WriteNumberValue(position);
                    json.WriteRawValue(Short(share));
                    json.WriteEndArray();
                }
                json.WriteEndArray();
            }
            json.WriteEndArray();
            if (layer.Experts.Count > 0)
            {
                json.WriteStartArray("experts");
                foreach ((int expert, double weight) in layer.Experts)
                {
                    json.WriteStartObject();
                    json.WriteNumber("expert", expert);
                    Number(json, "weight", weight);
                    json.WriteEndObject();
                }
                json.WriteEndArray();
            }
            if (layer.StateNorm is { } state) Number(json, "state_norm", state);
        });
    }

    private static void WriteCandidates(ExplainedModel model, Utf8JsonWriter json, string name, IReadOnlyList<Candidate> candidates)
    {
        json.WriteObjects(name, candidates, candidate =>
        {
            json.WriteNumber("id", candidate.Id);
            json.WriteString("text", model.TextOf(candidate.Id));
            Number(json, "probability", candidate.Probability);
        });
    }

    private static void Number(Utf8JsonWriter json, string name, double? value)
    {
        json.WritePropertyName(name);
        if (value is { } number && double.IsFinite(number)) json.WriteRawValue(Short(number));
        else json.WriteNullValue();
    }

    /// <summary>Seven digits: what a float has.</summary>
    internal static string Short(double number) => number.ToString("G7", CultureInfo.InvariantCulture);
}
