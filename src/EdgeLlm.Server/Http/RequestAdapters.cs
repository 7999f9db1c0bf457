using System.Text.Json;
using EdgeLlm.Generation;
using EdgeLlm.Models;
using EdgeLlm.Models.Adapters;
using EdgeLlm.Server.Engine;
using EdgeLlm.Server.Settings;
using Microsoft.AspNetCore.Http;

namespace EdgeLlm.Server.Http;

/// <summary>
/// The fields `lora` and `control_vectors` of a request, in every API that generates: [{"name" or "id", "scale"}], [{"name", "scale",
/// "layers"}]. Names and numbers are those of the settings, never paths. Without the field, an answer has what the model's name has.
/// </summary>
internal sealed record RequestAdapters(string? Model, JsonElement? Lora, JsonElement? ControlVectors)
{
    private const int MostBytesOfName = 200;

    /// <summary>Keeps the fields of a request's body with it.</summary>
    public static void Note(HttpContext context, ReadOnlySpan<byte> body)
    {
        var reader = new Utf8JsonReader(body);
        string? model = null;
        JsonElement? lora = null, vectors = null;
        try
        {
            if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject) return;
            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                bool isModel = reader.ValueTextEquals("model"u8), isLora = reader.ValueTextEquals("lora"u8),
                    isVectors = reader.ValueTextEquals("control_vectors"u8);
                reader.Read();
                if (isModel && reader.TokenType == JsonTokenType.String && reader.ValueSpan.Length <= MostBytesOfName)
                    model = reader.GetString();
                else if (isLora) lora = JsonElement.ParseValue(ref reader);
                else if (isVectors) vectors = JsonElement.ParseValue(ref reader);
                else reader.Skip();
            }
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException)
        {
            return; // told by who reads the request
        }
        context.Items[typeof(RequestAdapters)] = new RequestAdapters(model, lora, vectors);
    }

    /// <summary>The options with the adapters and control vectors that the request asks for, else those of the model's name.</summary>
    /// <exception cref="ApiException">One is not offered, a scale is out of its range, there are too many, or they can't be used
    /// together.</exception>
    public static GenerationOptions Apply(GenerationOptions options, LanguageModel model, HttpContext context)
    {
        if (context.Items[typeof(RequestAdapters)] is not RequestAdapters asked) return options;
        ModelAdapters offered = model.Companion(() => new ModelAdapters());
        (IReadOnlyList<AdapterUse> adapters, IReadOnlyList<ControlVectorUse> vectors) = offered.Of(asked.Model); // opened with the lease
        if (IsGiven(asked.Lora))
            adapters = [.. Items(asked.Lora!.Value, "lora").Select((item, i) => AdapterOf(item, $"lora[{i}]", offered))];
        if (IsGiven(asked.ControlVectors))
            vectors = [.. Items(asked.ControlVectors!.Value, "control_vectors")
                .Select((item, i) => VectorOf(item, $"control_vectors[{i}]", offered))];
        if (adapters.Count == 0 && vectors.Count == 0) return options;
        try
        {
            _ = model.Adapt(adapters, vectors);
        }
        catch (ArgumentException exception)
        {
            throw new ApiException(400, exception.Message, parameter: adapters.Count > 0 ? "lora" : "control_vectors");
        }
        return options with { Adapters = adapters, ControlVectors = vectors };
    }

    private static bool IsGiven(JsonElement? field) => field is { ValueKind: not (JsonValueKind.Null or JsonValueKind.Undefined) };

    private static JsonElement[] Items(JsonElement field, string name)
    {
        if (field.ValueKind != JsonValueKind.Array || field.EnumerateArray().Any(item => item.ValueKind != JsonValueKind.Object))
            throw ApiException.Field(name, "has to be a list of objects");
        return field.GetArrayLength() <= Adaptation.MostUses ? [.. field.EnumerateArray()]
            : throw ApiException.Field(name, $"has {field.GetArrayLength()} entries; at most {Adaptation.MostUses} are taken");
    }

    private static AdapterUse AdapterOf(JsonElement item, string place, ModelAdapters offered)
    {
        AdapterUse use;
        if (item.TryGetProperty("id", out JsonElement id))
        {
            if (id.ValueKind != JsonValueKind.Number || !id.TryGetInt32(out int number) || number < 0 || number >= offered.Adapters.Count)
                throw ApiException.Field($"{place}.id",
                    $"is {Printable.Line(id.GetRawText(), 40)}; this model has {offered.Adapters.Count} adapters, from 0 on");
            use = offered.Adapters[number].Use;
        }
        else
        {
            string name = NameOf(item, place);
            use = offered.Find(name)
                ?? throw ApiException.Field($"{place}.name",
                    $"is '{Printable.Line(name, 60)}', which this model has no adapter "
                        + $"of{Names(offered.Adapters.Select(adapter => adapter.Name))}");
        }
        return use with { Scale = ScaleOf(item, place, use.Scale) };
    }

    private static ControlVectorUse VectorOf(JsonElement item, string place, ModelAdapters offered)
    {
        string name = NameOf(item, place);
        ControlVectorUse use = offered.FindVector(name)
            ?? throw ApiException.Field($"{place}.name",
                $"is '{Printable.Line(name, 60)}', which this model has no control vector "
                    + $"of{Names(offered.Vectors.Select(vector => vector.Name))}");
        if (item.TryGetProperty("layers", out JsonElement layers))
        {
            (int first, int last) = AdapterEntry.LayersOf(layers)
                ?? throw ApiException.Field($"{place}.layers", "has to be two layers such as \"4-12\" or [4, 12]");
            use = use with { FirstLayer = first, LastLayer = last };
        }
        return use with { Scale = ScaleOf(item, place, use.Scale) };
    }

    private static string NameOf(JsonElement item, string place) =>
        item.TryGetProperty("name", out JsonElement name) && name.ValueKind == JsonValueKind.String ? name.GetString()!
            : throw ApiException.Field(place, "has to have the name (or the id) of one that this model has");

    private static float ScaleOf(JsonElement item, string place, float usual) =>
        !item.TryGetProperty("scale", out JsonElement scale) ? usual : AdapterEntry.ScaleOf(scale)
            ?? throw ApiException.Field($"{place}.scale", $"has to be a number from -{Adaptation.MostScale} to {Adaptation.MostScale}");

    private static string Names(IEnumerable<string> names) => string.Join(", ", names) is { Length: > 0 } list ? $"; it has {list}" : "";
}
