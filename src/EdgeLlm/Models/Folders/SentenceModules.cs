using EdgeLlm.HuggingFace;
using EdgeLlm.Models.Spec;

namespace EdgeLlm.Models.Folders;

/// <summary>What sentence-transformers' modules.json says is done with a text's hidden states.</summary>
internal static class SentenceModules
{
    private const int MostBytes = 1 << 20;
    private const string Start = "sentence_transformers.", ModesStart = "pooling_mode_";

    /// <summary>Sets the keys of a folder's modules; a folder without modules.json sets none.</summary>
    /// <exception cref="ModelException">A module or a way of pooling is none that is computed here.</exception>
    public static void Read(string folder, ModelKeys keys)
    {
        string path = Path.Combine(folder, "modules.json");
        if (!File.Exists(path)) return;
        bool isNormalized = false;
        foreach (JsonPart module in JsonPart.ReadList(path, MostBytes).Items())
        {
            JsonPart type = module.Require("type");
            switch (type.Text().StartsWith(Start, StringComparison.Ordinal) ? type.Text().Split('.')[^1] : "")
            {
                case "Transformer": break;
                case "Pooling": keys.Set(ModelKeys.PoolingType, (int)PoolingOf(folder, module.Require("path"))); break;
                case "Normalize": isNormalized = true; break;
                default: throw type.Error($"is '{Printable.Line(type.Text())}', not one that is computed here (Transformer, Pooling, Normalize)");
            }
        }
        keys.Set(ModelKeys.IsNormalized, isNormalized);
    }

    private static Pooling PoolingOf(string folder, JsonPart path)
    {
        string name = path.Text();
        if (name != Path.GetFileName(name) || name is "" or "." or "..") throw path.Error($"is '{Printable.Line(name)}', not the name of a folder beside it");
        JsonPart config = JsonPart.Read(Path.Combine(folder, name, "config.json"), MostBytes);
        (string Name, JsonPart Value)[] modes = [.. config.Fields().Where(field => field.Name.StartsWith(ModesStart, StringComparison.Ordinal) && field.Value.Flag())];
        if (modes.Length != 1) throw config.Error($"asks for {modes.Length} ways of pooling; one is computed here");
        return modes[0].Name[ModesStart.Length..] switch
        {
            "mean_tokens" => Pooling.Mean,
            "cls_token" => Pooling.Cls,
            "lasttoken" => Pooling.Last,
            _ => throw modes[0].Value.Error("is true; pooling_mode_mean_tokens, pooling_mode_cls_token and pooling_mode_lasttoken are computed here"),
        };
    }
}
