using EdgeLlm.HuggingFace;
using EdgeLlm.Models.Spec;

namespace EdgeLlm.Models.Adapters;

/// <summary>A PEFT folder: adapter_config.json, and adapter_model.safetensors or adapter_model.bin.</summary>
internal sealed unsafe partial class AdapterReader
{
    private static readonly string[] WeightFiles = ["adapter_model.safetensors", "adapter_model.bin"];

    /// <exception cref="ModelException">A file is missing, damaged or not understood; the message names it, and the field or
    /// tensor.</exception>
    public WeightFile ReadFolder(string folder)
    {
        AdapterConfig config = AdapterConfig.Read(folder);
        string path = WeightFiles.Select(name => Path.Combine(folder, name)).FirstOrDefault(File.Exists)
            ?? throw new ModelException(folder, $"has neither {string.Join(" nor ", WeightFiles)}");
        WeightFile file = WeightFile.Open(path);
        Opened = file;
        BaseModel = config.BaseModel;
        var changes = new Dictionary<string, Dictionary<string, AdapterTensor>>(); // of each module, its tensors by what they are
        var whole = new List<(string Name, AdapterTensor Tensor)>();
        foreach (FolderTensor stored in file.Tensors.Values)
        {
            AdapterTensor tensor = AdapterTensor.Of(stored);
            tensor.RequireFinite();
            string name = stored.Name.StartsWith(Prefix, StringComparison.Ordinal) ? stored.Name[Prefix.Length..] : stored.Name;
            name = name.Replace(".default.", ".", StringComparison.Ordinal);
            if (name.EndsWith(".default", StringComparison.Ordinal)) name = name[..^".default".Length];
            if (name.IndexOf(".lora_", StringComparison.Ordinal) is > 0 and var at)
            {
                string part = name[(at + 1)..];
                if (part == "lora_velora_embed") continue; // what the training's gradients were compressed with
                if (part is not ("lora_A.weight" or "lora_B.weight" or "lora_magnitude_vector" or "lora_magnitude_vector.weight"
                    or "lora_embedding_A" or "lora_embedding_B"))
                    throw tensor.Error("is not one that a LoRA adapter has here");
                if (!changes.TryGetValue(name[..at], out Dictionary<string, AdapterTensor>? parts)) changes.Add(name[..at], parts = []);
                if (!parts.TryAdd(part.Replace(".weight", "", StringComparison.Ordinal), tensor)) throw tensor.Error("is there twice");
                continue;
            }
            whole.Add(
                (name.Replace(".base_layer.", ".", StringComparison.Ordinal).Replace(".modules_to_save.", ".", StringComparison.Ordinal),
                    tensor));
        }
        // First what is replaced: a row's norm (DoRA) is of the matrix that is there.
        foreach ((string name, AdapterTensor tensor) in whole)
        {
            foreach (AdapterSite site in SitesOf(name, tensor)) AddWhole(site, tensor);
        }
        foreach ((string module, Dictionary<string, AdapterTensor> parts) in changes) AddModule(config, module, parts);
        if (config.TiesWeights && spec.IsTied
            && (Changes.ContainsKey((TensorRole.TokenEmbedding, 0)) || Changes.ContainsKey((TensorRole.Output, 0))))
            throw new ModelException(Path.Combine(folder, AdapterConfig.FileName),
                "ensure_weight_tying is set: an embedding and a head that change together are not done here");
        RequireChanges(path);
        SetIdentity([Path.Combine(folder, AdapterConfig.FileName), path]);
        return file;
    }

    private void AddModule(AdapterConfig config, string module, Dictionary<string, AdapterTensor> parts)
    {
        bool isEmbedding = parts.ContainsKey("lora_embedding_A") || parts.ContainsKey("lora_embedding_B");
        (string first, string second) = isEmbedding ? ("lora_embedding_A", "lora_embedding_B") : ("lora_A", "lora_B");
        AdapterTensor any = parts.Values.First();
        if (!config.Targets(module))
            throw any.Error("is of a module that target_modules, exclude_modules and layers_to_transform leave out");
        AdapterTensor a = parts.GetValueOrDefault(first) ?? throw any.Error($"has no {first} beside it");
        AdapterTensor b = parts.GetValueOrDefault(second) ?? throw a.Error($"is a {first} without {second}");
        if (a.Shape.Length != 2) throw a.Error("is not a matrix");
        if (b.Shape.Length != 2) throw b.Error("is not a matrix");
        int rank = RequireRank(a.Shape[0], a);
        if (rank != config.RankOf(module))
            throw a.Error($"has a rank of {rank}; by r and rank_pattern it should have {config.RankOf(module)}");
        if (b.Shape[1] != rank) throw b.Error($"has a rank of {b.Shape[1]}, and its {first} one of {rank}");
        foreach (AdapterSite site in SitesOf(module + ".weight", a))
        {
            RequireChangeable(site, a);
            if (!site.Use.Entry.IsMatrix) throw a.Error("is about a vector");
            TensorChange change = ChangeOf(site);
            if (isEmbedding)
            {
                if (site.Use.Role != TensorRole.TokenEmbedding) throw a.Error("is about an embedding, and the model's tensor is none");
                if (parts.ContainsKey("lora_magnitude_vector")) throw any.Error("is of an embedding with use_dora, which is not done here");
                a.Require(rank, site.Use.Rows);
                b.Require(site.Use.Columns, rank);
                change.LowRank = new LowRank(a.Matrix(rank, site.Use.Rows), Memory.Tile(b, site.Use.Columns, rank, row => row),
                    site.Use.Columns, (float)config.FactorOf(module));
                continue;
            }
            if (site.Use.Role == TensorRole.TokenEmbedding) throw a.Error("is about the embedding: that has lora_embedding_A and _B");
            a.Require(rank, site.SourceShape[1]);
            b.Require(site.SourceShape[0], rank);
            LowRank made = MakeLowRank(site, a, b, rank, config.FactorOf(module));
            if (site.Expert >= 0) (change.Experts ??= new LowRank?[site.Use.Experts])[site.Expert] = made;
            else change.LowRank = made;
            if (!parts.TryGetValue("lora_magnitude_vector", out AdapterTensor? magnitudes))
            {
                if (config.HasMagnitudes) throw a.Error("has no lora_magnitude_vector beside it, and use_dora is set");
                continue;
            }
            if (!config.HasMagnitudes) throw magnitudes.Error("is there, and use_dora is not set");
            if (site.Expert >= 0) throw magnitudes.Error("is of an expert's matrix, which is not done here");
            SetMagnitudes(site, made, magnitudes);
        }
    }

    /// <exception cref="ModelException">The model has no such tensor.</exception>
    private IReadOnlyList<AdapterSite> SitesOf(string name, AdapterTensor tensor)
    {
        if (_sites.OfFolderName(name) is { Count: > 0 } sites) return sites;
        int layer = name.Split('.').Select(part => int.TryParse(part, out int number) ? number : -1)
            .FirstOrDefault(number => number >= 0, -1);
        throw tensor.Error(layer >= spec.Layers.Count ? $"is of layer {layer}, and the model has {spec.Layers.Count} layers"
            : $"is about a module that a model of the architecture {spec.Architecture} and this shape has not");
    }
}
