using System.Security.Cryptography;
using EdgeLlm.Gguf;
using EdgeLlm.HuggingFace;
using EdgeLlm.Kernels;
using EdgeLlm.Models.Spec;

namespace EdgeLlm.Models.Adapters;

/// <summary>Reads an adapter's files and fits their tensors to a model's.</summary>
internal sealed unsafe partial class AdapterReader(GgufFile model, ModelSpec spec, Func<TensorUse, bool> canChange)
{
    private const string Prefix = "base_model.model.";

    private readonly AdapterSites _sites = new(spec, turnsInHalves: model.Metadata.GetBool($"{spec.Architecture}.rope.in_halves", false));

    public AdapterMemory Memory { get; } = new();

    public Dictionary<(TensorRole Role, int Layer), TensorChange> Changes { get; } = [];

    public string? BaseModel { get; private set; }

    public int Rank { get; private set; }

    public string? OnlyWhole { get; private set; }

    public List<string> Notes { get; } = [];

    public byte[] Identity { get; private set; } = [];

    /// <summary>The file that is open, so that it can be closed where reading fails.</summary>
    public IDisposable? Opened { get; private set; }

    /// <summary>
    /// Reads a GGUF adapter. Keys: general.type `adapter`, adapter.type `lora`, adapter.lora.alpha; tensors NAME.lora_a [rank, columns],
    /// NAME.lora_b [rows, rank].
    /// </summary>
    public GgufFile ReadFile(string path)
    {
        GgufFile file = GgufFile.Open(path);
        Opened = file;
        if (file.Metadata.GetString("general.type", null) is not "adapter")
            throw new ModelException(path, "is not an adapter: general.type is not 'adapter'");
        string kind = file.Metadata.GetString("adapter.type", null) ?? "missing";
        if (kind != "lora") throw new ModelException(path, $"adapter.type is {FolderFile.Printable(kind)}; only lora is read here");
        string architecture = file.Metadata.GetString("general.architecture", null) ?? "missing";
        if (architecture != spec.Architecture)
            throw new ModelException(path,
                $"is an adapter for the architecture {FolderFile.Printable(architecture)}, and the model is of {spec.Architecture}");
        if (file.Metadata.Contains("adapter.alora.invocation_tokens"))
            throw new ModelException(path,
                "has adapter.alora.invocation_tokens: an adapter that acts only after these tokens is not done here");
        double alpha = file.Metadata.GetFloat("adapter.lora.alpha");
        if (!double.IsFinite(alpha) || Math.Abs(alpha) > 1e6)
            throw new ModelException(path, "adapter.lora.alpha is not a number that can be used");
        BaseModel = file.Metadata.GetString("general.base_model.0.name", null);
        foreach (GgufTensor tensor in file.Tensors)
        {
            AdapterTensor here = AdapterTensor.Of(file, tensor);
            here.RequireFinite();
            if (tensor.Name.EndsWith(".lora_a", StringComparison.Ordinal)) AddPair(file, here, tensor.Name[..^".lora_a".Length], alpha);
            else if (!tensor.Name.EndsWith(".lora_b", StringComparison.Ordinal)) throw here.Error("is not one that an adapter has");
            else if (file.FindTensor(tensor.Name[..^1] + "a") is null) throw here.Error("has no lora_a beside it");
        }
        RequireChanges(path);
        SetIdentity([path]);
        return file;
    }

    private void AddPair(GgufFile file, AdapterTensor a, string name, double alpha)
    {
        AdapterTensor b = AdapterTensor.Of(file, file.FindTensor(name + ".lora_b") ?? throw a.Error("is a lora_a without lora_b"));
        AdapterSite site = _sites.OfGgufName(name) ?? throw a.Error($"is about {FolderFile.Printable(name)}, which the model has not");
        RequireChangeable(site, a);
        if (!site.Use.Entry.IsMatrix) throw a.Error("is about a vector");
        if (site.Use.Role == TensorRole.TokenEmbedding)
        {
            // [tokens, rank] here: llama.cpp looks rows up. Ours is turned.
            int rank = (int)a.Shape[^1];
            a.Require(site.Use.Rows, rank);
            b.Require(site.Use.Columns, rank);
            RequireRank(rank, a);
            WeightMatrix turned = Memory.Gather(a, rank, site.Use.Rows, (row, column) => column * rank + row);
            ChangeOf(site).LowRank =
                new LowRank(turned, Memory.Tile(b, site.Use.Columns, rank, row => row), site.Use.Columns, (float)(alpha / rank));
            return;
        }
        int experts = site.Expert >= 0 ? site.Use.Experts : 1;
        if (a.Shape.Length < 2) throw a.Error("is not a matrix");
        int ofMatrix = RequireRank(a.Shape[^2], a);
        a.Require(experts > 1 ? [experts, ofMatrix, site.Use.Columns] : [ofMatrix, site.Use.Columns]);
        b.Require(experts > 1 ? [experts, site.Rows, ofMatrix] : [site.Rows, ofMatrix]);
        TensorChange change = ChangeOf(site);
        if (site.Expert < 0)
        {
            change.LowRank = MakeLowRank(site, a, b, ofMatrix, alpha / ofMatrix);
            return;
        }
        change.Experts = [.. Enumerable.Range(0, experts).Select(e =>
            new LowRank(a.Matrix(ofMatrix, site.Use.Columns, (long)e * ofMatrix),
                Memory.Tile(b, site.Rows, ofMatrix, row => (long)e * site.Rows + row), site.Rows, (float)(alpha / ofMatrix)))];
    }

    private LowRank MakeLowRank(AdapterSite site, AdapterTensor a, AdapterTensor b, int rank, double factor)
    {
        int columns = site.Use.Columns, rows = site.Rows;
        WeightMatrix first = site.SourceColumn is { } moved
            ? Memory.Gather(a, rank, columns, (row, column) => row * columns + moved(column)) : a.Matrix(rank, columns);
        Func<long, long>? rowOf = site.SourceRow;
        return new LowRank(first, Memory.Tile(b, rows, rank, row => rowOf?.Invoke(row) ?? row), rows, (float)factor);
    }

    /// <summary>
    /// DoRA: the factor of each row is its magnitude over the norm of the changed row, which reads the whole of the base's matrix.
    /// </summary>
    private void SetMagnitudes(AdapterSite site, LowRank change, AdapterTensor magnitudes)
    {
        if (magnitudes.Count != site.SourceShape[0]) magnitudes.Require(site.SourceShape[0]);
        WeightMatrix weights = Changes[KeyOf(site)].Whole ?? new ModelTensors(model).Matrix(BaseUse(site.Use));
        float* factors = Memory.Floats(site.Rows);
        float[] a = new float[change.Rank * site.Use.Columns];
        fixed (float* start = a)
        {
            for (int k = 0; k < change.Rank; k++) change.A.RowToFloat(k, start + k * site.Use.Columns);
        }
        int columns = site.Use.Columns;
        Parallel.For(0, site.Rows, row =>
        {
            float[] numbers = new float[columns];
            fixed (float* to = numbers) weights.RowToFloat(row, to);
            for (int k = 0; k < change.Rank; k++)
                LowRank.AddScaled(numbers, a.AsSpan(k * columns, columns), change.B(row, k) * change.Factor);
            double squares = 0;
            for (int c = 0; c < columns; c++) squares += (double)numbers[c] * numbers[c];
            factors[row] = (float)(magnitudes.At(site.SourceRow?.Invoke(row) ?? row) / Math.Sqrt(squares));
        });
        for (int row = 0; row < site.Rows; row++)
        {
            if (!float.IsFinite(factors[row])) throw magnitudes.Error("is about a row of the model that the adapter makes 0");
        }
        change.RowFactors = factors;
        OnlyWhole = "use_dora";
    }

    /// <summary>A tensor that takes the place of one of the model.</summary>
    private void AddWhole(AdapterSite site, AdapterTensor tensor)
    {
        RequireChangeable(site, tensor);
        TensorChange change = ChangeOf(site);
        if (change.Whole is not null || change.Vector != null) throw tensor.Error("replaces a tensor that another one replaces, too");
        if (site.Expert >= 0) throw tensor.Error("replaces an expert's matrix, which is not done here");
        tensor.Require(site.IsTransposed ? [site.SourceShape[1], site.SourceShape[0]] : site.SourceShape);
        OnlyWhole ??= $"{FolderFile.Printable(tensor.Name)} replaces a tensor";
        if (!site.Use.Entry.IsMatrix)
        {
            float* numbers = Memory.Floats(site.Use.Columns);
            for (long i = 0; i < site.Use.Columns; i++) numbers[i] = tensor.At(site.SourceRow?.Invoke(i) ?? i) + site.Offset;
            change.Vector = numbers;
            return;
        }
        int rows = site.Use.Rows, columns = site.Use.Columns;
        bool isView = site is { SourceRow: null, SourceColumn: null, IsTransposed: false };
        change.Whole = isView ? tensor.Matrix(rows, columns) : Memory.Gather(tensor, rows, columns, (row, column) =>
        {
            (long r, long c) = (site.SourceRow?.Invoke(row) ?? row, site.SourceColumn?.Invoke(column) ?? column);
            return site.IsTransposed ? c * site.SourceShape[0] + r : r * columns + c;
        });
    }

    private void RequireChangeable(AdapterSite site, AdapterTensor tensor)
    {
        if (!canChange(site.Use))
            throw tensor.Error($"changes {site.Name}, which can't be changed while the model runs: edgellm merge writes a model with it");
    }

    private int RequireRank(long rank, AdapterTensor tensor)
    {
        int most = Math.Min(AdapterConfig.MostRank, spec.Width); // what kernels have scratch for
        if (rank < 1 || rank > most) throw tensor.Error($"has a rank of {rank}; for this model it may be 1 to {most}");
        Rank = Math.Max(Rank, (int)rank);
        return (int)rank;
    }

    private void RequireChanges(string path)
    {
        if (Changes.Count == 0) throw new ModelException(path, "has no tensors: it changes nothing");
    }

    private TensorChange ChangeOf(AdapterSite site)
    {
        if (!Changes.TryGetValue(KeyOf(site), out TensorChange? change)) Changes.Add(KeyOf(site), change = new TensorChange());
        return change;
    }

    private static (TensorRole, int) KeyOf(AdapterSite site) => (site.Use.Role, site.Use.Layer);

    /// <summary>The tensor in the model's file: of a head that is the embedding again, the embedding.</summary>
    private TensorUse BaseUse(TensorUse use) =>
        use.Role == TensorRole.Output && spec.IsTied ? TensorTable.Use(spec, TensorRole.TokenEmbedding) : use;

    private void SetIdentity(IEnumerable<string> files)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (string file in files)
        {
            using FileStream stream = Files.InputFile.Open(file);
            hash.AppendData(SHA256.HashData(stream));
        }
        Identity = hash.GetHashAndReset();
    }
}
