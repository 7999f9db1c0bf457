using System.Globalization;
using System.Net;
using System.Reflection;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using EdgeLlm.Files;
using EdgeLlm.Models.Inspection;

namespace EdgeLlm.Cli.Explain;

/// <summary>
/// Page of `explain -o FILE.html`, which loads nothing from elsewhere. Names and texts are data for its script alone, which puts them in as
/// text; a policy with hashes lets no other script run.
/// </summary>
internal static class ExplainPage
{
    // Shares of attention take most of a page: three bytes each, as base64.
    private const long MostAttentionBytes = 9 << 20;

    public static void Write(IReadOnlyList<ExplainedModel> models, Stream output)
    {
        string style = Resource("explain.css"), script = Resource("explain.js"),
            title = WebUtility.HtmlEncode(Printable.Line(string.Join(" / ", models.Select(model => model.Name)), 200));
        using var page = new StreamWriter(output, new UTF8Encoding(false), leaveOpen: true);
        page.Write(
            $"<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
                + "content=\"width=device-width,initial-scale=1\">"
            + $"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src '{Hash(style)}'; script-src "
            + $"'{Hash(script)}'; base-uri 'none'; form-action 'none'\">"
            + $"<title>{title}: a look inside</title><style>{style}</style></head>\n<body><main><h1>{title}</h1>"
            + "<p>Each piece is a token; the stronger its colour, the less the model expected it. Choose one, with the mouse or the "
            + "arrow keys, to see what was expected in its place. "
            + "Lines go to the tokens that it looked at. What the model itself wrote is underlined.</p>"
            + "<div id=\"texts\" class=\"texts\"></div><form id=\"controls\" aria-label=\"What to show\"></form><div id=\"details\" "
            + "class=\"columns\" aria-live=\"polite\"></div></main>\n<script type=\"application/json\" id=\"data\">");
        page.Flush();
        using (var json = new Utf8JsonWriter(output)) // whose encoder escapes <, > and &
        {
            json.WriteStartObject();
            json.WriteStartArray("models");
            foreach (ExplainedModel model in models) Write(model, models.Count, json);
            json.WriteEndArray();
            json.WriteEndObject();
        }
        page.Write($"</script>\n<script>{script}</script></body></html>\n");
    }

    private static void Write(ExplainedModel model, int models, Utf8JsonWriter json)
    {
        Explanation explanation = model.Explanation;
        long shares = (long)explanation.Tokens.Count * explanation.Heads.Sum() * 4 * models; // bytes of one a head, as base64
        int kept = shares == 0 ? 0 : (int)Math.Clamp(MostAttentionBytes / shares, 1, 16);
        json.WriteStartObject();
        json.WriteString("name", model.Name);
        json.WriteNumber("prompt", explanation.PromptTokens);
        json.WriteNumber("kept", kept);
        json.WriteArray("layers", explanation.Layers, json.WriteNumberValue);
        json.WriteArray("heads", explanation.Heads, json.WriteNumberValue);
        json.WriteStartArray("tokens");
        var used = new SortedSet<int>();
        foreach (ExplainedToken token in explanation.Tokens)
        {
            used.Add(token.Id);
            json.WriteStartObject();
            json.WriteNumber("i", token.Id);
            if (token is { Probability: { } probability, Rank: { } rank })
            {
                Number(json, "p", probability);
                json.WriteNumber("r", rank);
            }
            Candidates(json, "c", token.Candidates, used);
            if (token.Layers.Count > 0)
            {
                json.WriteStartArray("l");
                foreach (ExplainedLayer layer in token.Layers) Write(layer, kept, json, used);
                json.WriteEndArray();
            }
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteStartObject("texts");
        foreach (int id in used) json.WriteString(id.ToString(CultureInfo.InvariantCulture), model.TextOf(id));
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static void Write(ExplainedLayer layer, int kept, Utf8JsonWriter json, SortedSet<int> used)
    {
        json.WriteStartObject();
        Candidates(json, "t", [.. layer.Lens.Take(3)], used);
        Number(json, "n", layer.Norm);
        if (layer.StateNorm is { } state) Number(json, "s", state);
        if (layer.Experts.Count > 0)
        {
            json.WriteStartArray("e");
            foreach ((int expert, double weight) in layer.Experts) Pair(json, expert, weight);
            json.WriteEndArray();
        }
        if (layer.Attention.Count > 0) json.WriteString("a", Packed(layer.Attention, kept));
        json.WriteEndObject();
    }

    /// <summary>Places (16 bits) and shares (of 255) of each head, as base64.</summary>
    private static string Packed(IReadOnlyList<IReadOnlyList<(int Position, double Share)>> heads, int kept)
    {
        byte[] bytes = new byte[3 * kept * heads.Count];
        for (int head = 0; head < heads.Count; head++)
        {
            int k = 0;
            foreach ((int position, double share) in heads[head].OrderByDescending(entry => entry.Share).Take(kept))
            {
                int at = 3 * (head * kept + k++);
                (bytes[at], bytes[at + 1], bytes[at + 2]) =
                    ((byte)position, (byte)(position >> 8), (byte)Math.Round(255 * Math.Clamp(share, 0, 1)));
            }
        }
        return Convert.ToBase64String(bytes);
    }

    private static void Candidates(Utf8JsonWriter json, string name, IReadOnlyList<Candidate> candidates, SortedSet<int> used)
    {
        json.WriteStartArray(name);
        foreach (Candidate candidate in candidates)
        {
            used.Add(candidate.Id);
            Pair(json, candidate.Id, candidate.Probability);
        }
        json.WriteEndArray();
    }

    private static void Pair(Utf8JsonWriter json, int number, double value)
    {
        json.WriteStartArray();
        json.WriteNumberValue(number);
        json.WriteRawValue(value.ToString("G3", CultureInfo.InvariantCulture));
        json.WriteEndArray();
    }

    private static void Number(Utf8JsonWriter json, string name, double value)
    {
        json.WritePropertyName(name);
        json.WriteRawValue(value.ToString("G4", CultureInfo.InvariantCulture));
    }

    private static string Hash(string text) => "sha256-" + Convert.ToBase64String(SHA256.HashData(Encoding.UTF8.GetBytes(text)));

    private static string Resource(string name)
    {
        using Stream stream = Assembly.GetExecutingAssembly().GetManifestResourceStream(name)
            ?? throw new InvalidOperationException($"{name} is not in the program");
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd().TrimEnd();
    }
}
