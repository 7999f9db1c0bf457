namespace EdgeLlm.Server.OpenAi;

/// <summary>The answer of `GET /v1/models`.</summary>
internal sealed record ModelList(ModelEntry[] Data)
{
    public string Object => "list";
}

/// <summary>A model; also the answer of `GET /v1/models/{id}`.</summary>
internal sealed record ModelEntry(string Id, long Created)
{
    public string Object => "model";

    public string OwnedBy => "edgellm";

    /// <summary>Tokens of a context as it is served; null where it is not known before the model is open.</summary>
    public int? ContextLength { get; init; }

    /// <summary>vLLM's name of <see cref="ContextLength"/>.</summary>
    public int? MaxModelLen { get; init; }

    /// <summary>The model in figures, as llama.cpp's server gives them.</summary>
    public ModelMeta? Meta { get; init; }
}

/// <param name="NCtx">Tokens of a context as it is served.</param>
/// <param name="NCtxTrain">Tokens of a context that it was trained on.</param>
/// <param name="NEmbd">Numbers of a hidden state.</param>
/// <param name="NParams">Weights.</param>
/// <param name="Size">Bytes of the file.</param>
internal sealed record ModelMeta(int NCtx, int? NCtxTrain, int? NEmbd, long NParams, long Size);
