// Answers and embeddings in a web application of your own.   dotnet run --project samples/MinimalApi -c Release
//   curl http://127.0.0.1:5080/ask?question=Why+is+the+sky+blue
//   curl -N http://127.0.0.1:5080/stream?question=Tell+me+a+story
//   curl http://127.0.0.1:5080/likeness?a=cat\&b=dog
// Another model: --EdgeLlm:Model MODEL (a GGUF file, or a name that `edgellm list` shows), or "EdgeLlm": { "Model": ... } in
// appsettings.json.
using System.Numerics.Tensors;
using System.Runtime.CompilerServices;
using EdgeLlm.Extensions.AI;
using Microsoft.Extensions.AI;

WebApplicationBuilder builder = WebApplication.CreateBuilder(args);
if (builder.Configuration["urls"] is null) builder.WebHost.UseUrls("http://127.0.0.1:5080");
builder.Services.Configure<EdgeLlmOptions>(builder.Configuration.GetSection("EdgeLlm"));
builder.Services.AddEdgeLlm();
WebApplication app = builder.Build();

var options = new ChatOptions { Instructions = "Answer in a few short sentences.", MaxOutputTokens = 200, Temperature = 0.3f };

app.MapGet("/ask", async (string question, IChatClient client, CancellationToken cancellationToken) =>
{
    ChatResponse response = await client.GetResponseAsync(question, options, cancellationToken);
    return new { answer = response.Text, tokens = response.Usage?.OutputTokenCount };
});

// Server-sent events, a piece of the text each.
app.MapGet("/stream", (string question, IChatClient client, CancellationToken cancellationToken) =>
    TypedResults.ServerSentEvents(Pieces(client, question, cancellationToken)));

app.MapGet("/likeness",
    async (string a, string b, IEmbeddingGenerator<string, Embedding<float>> generator, CancellationToken cancellationToken) =>
{
    GeneratedEmbeddings<Embedding<float>> embeddings = await generator.GenerateAsync([a, b], cancellationToken: cancellationToken);
    return TensorPrimitives.CosineSimilarity(embeddings[0].Vector.Span, embeddings[1].Vector.Span);
});

app.Run();

async IAsyncEnumerable<string> Pieces(IChatClient client, string question, [EnumeratorCancellation] CancellationToken cancellationToken)
{
    await foreach (ChatResponseUpdate update in client.GetStreamingResponseAsync(question, options, cancellationToken))
        if (update.Text.Length > 0) yield return update.Text;
}
