using EdgeLlm.HuggingFace;
using EdgeLlm.Models.Families;
using EdgeLlm.Models.Spec;

namespace EdgeLlm.Models.Folders;

/// <summary>Steps of sentence-transformers' files: before a text's tokens, and after its hidden states.</summary>
internal static class SentenceModules
{
    private const int MostBytes = 1 << 20;
    private const int MostPrompts = 1000;
    private const string Start = "sentence_transformers.", ModesStart = "pooling_mode_";
    private const string TextConfig = "sentence_bert_config.json", ModelConfig = "config_sentence_transformers.json";

    /// <summary>Sets the keys of a folder's modules; a folder without modules.json sets none.</summary>
    /// <exception cref="ModelException">A module or a way of pooling is not one that is computed here.</exception>
    public static void Read(HuggingFaceFolder folder, ModelKeys keys)
    {
        string path = Path.Combine(folder.Path, "modules.json");
        if (!File.Exists(path)) return;
        bool isNormalized = false, isPooled = false;
        int dense = 0;
        foreach (JsonPart module in JsonPart.ReadList(path, MostBytes).Items())
        {
            JsonPart type = module.Require("type");
            switch (type.Text().StartsWith(Start, StringComparison.Ordinal) ? type.Text().Split('.')[^1] : "")
            {
                case "Transformer": break;
                case "Pooling" when !isPooled:
                    keys.Set(ModelKeys.PoolingType, (int)PoolingOf(ConfigOf(folder.Path, module)));
                    isPooled = true;
                    break;
                case "Dense" when isPooled && !isNormalized && dense < CommonKeys.DenseKeys.Count:
                    SetDense(folder, module, dense++, keys); break;
                case "Normalize": isNormalized = true; break;
                default:
                    throw type.Error(
                        $"is '{Printable.Line(type.Text())}', not one that is computed here (Transformer, Pooling, up to "
                            + $"{CommonKeys.DenseKeys.Count} of Dense, Normalize, in this order)");
            }
        }
        keys.Set(ModelKeys.IsNormalized, isNormalized);
        ReadTextConfig(Path.Combine(folder.Path, TextConfig), keys);
        ReadPrompts(Path.Combine(folder.Path, ModelConfig), keys);
    }

    private static JsonPart ConfigOf(string folder, JsonPart module) =>
        JsonPart.Read(Path.Combine(folder, NameOf(module), "config.json"), MostBytes);

    private static string NameOf(JsonPart module)
    {
        JsonPart path = module.Require("path");
        string name = path.Text();
        return name == Path.GetFileName(name) && name is not ("" or "." or "..") ? name
            : throw path.Error($"is '{Printable.Line(name)}', not the name of a folder beside it");
    }

    private static Pooling PoolingOf(JsonPart config)
    {
        (string Name, JsonPart Value)[] modes =
            [.. config.Fields().Where(field => field.Name.StartsWith(ModesStart, StringComparison.Ordinal) && field.Value.Flag())];
        if (modes.Length != 1) throw config.Error($"asks for {modes.Length} ways of pooling; one is computed here");
        if (config.Find("include_prompt") is { } include && !include.Flag())
            throw include.Error("is false: pooling without the prompt's tokens is not computed here");
        return modes[0].Name[ModesStart.Length..] switch
        {
            "mean_tokens" => Pooling.Mean,
            "cls_token" => Pooling.Cls,
            "lasttoken" => Pooling.Last,
            _ => throw modes[0].Value.Error(
                "is true; pooling_mode_mean_tokens, pooling_mode_cls_token and pooling_mode_lasttoken are computed here"),
        };
    }

    /// <summary>A matrix that the pooled vector goes through; by its own defaults it would have a bias and a hyperbolic tangent.</summary>
    private static void SetDense(HuggingFaceFolder folder, JsonPart module, int number, ModelKeys keys)
    {
        const string Identity = "torch.nn.modules.linear.Identity", Vector = "sentence_embedding";
        JsonPart config = ConfigOf(folder.Path, module);
        if (config.Require("bias") is var bias && bias.Flag())
            throw bias.Error("is true; only matrices without a bias are computed after pooling");
        if (config.Require("activation_function") is var activation && activation.Text() != Identity)
            throw activation.Error(
                $"is '{Printable.Line(activation.Text())}', not {Identity}, the only one that is computed after pooling");
        foreach (string name in new[] { "module_input_name", "module_output_name" })
        {
            if (config.Find(name) is { } of && of.Text() != Vector) throw of.Error($"is '{Printable.Line(of.Text())}', not {Vector}");
        }
        (TensorRole role, ModelKey inputs, ModelKey outputs) = CommonKeys.DenseKeys[number];
        keys.Set(inputs, (int)config.Require("in_features").Integer(1, ModelKeys.MaximumWidth));
        keys.Set(outputs, (int)config.Require("out_features").Integer(1, ModelKeys.MaximumWidth));
        keys.Set(role);
        folder.AddPart(NameOf(module), TensorTable.Get(role).Gguf.Split('.')[0]);
    }

    private static void ReadTextConfig(string path, ModelKeys keys)
    {
        if (!File.Exists(path)) return;
        JsonPart config = JsonPart.Read(path, MostBytes);
        if (config.Find("do_lower_case") is { } lower && lower.Flag())
            throw lower.Error("is true: texts are not lowercased here but by the tokenizer's own rules");
        if (config.Find("max_seq_length") is { } most) keys.Set(ModelKeys.MostTextTokens, (int)most.Integer(1, 1 << 28));
    }

    private static void ReadPrompts(string path, ModelKeys keys)
    {
        if (!File.Exists(path)) return;
        JsonPart config = JsonPart.Read(path, MostBytes);
        (string Name, JsonPart Value)[] prompts = [.. config.Find("prompts")?.Fields().Take(MostPrompts) ?? []];
        if (prompts.Length > 0)
        {
            keys.Set(ModelKeys.PromptNames, prompts.Select(prompt => prompt.Name));
            keys.Set(ModelKeys.Prompts, prompts.Select(prompt => prompt.Value.Text()));
        }
        if (config.Find("default_prompt_name") is not { } name) return;
        if (!prompts.Any(prompt => prompt.Name == name.Text()))
            throw name.Error($"is '{Printable.Line(name.Text())}', which is not one of prompts");
        keys.Set(ModelKeys.DefaultPrompt, name.Text());
    }
}
