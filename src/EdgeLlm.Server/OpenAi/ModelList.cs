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
}
