// Searches lines of text by meaning.   dotnet run --project samples/EmbeddingSearch -c Release -- "QUERY" [FILE [MODEL]]
// MODEL: an encoder made for this (a GGUF file or a Hugging Face folder). Without one the default model's hidden states are compared, which
// is only good enough to try it out.
using System.Numerics.Tensors;
using EdgeLlm.Models;

string query = args is [var first, ..] ? first : "my computer is broken";
string[] lines = args.Length > 1
    ? [.. File.ReadLines(args[1]).Where(line => line.Trim().Length > 0)]
    : ["The laptop does not start any more.", "Tomatoes need sun and water.", "The train to Bern leaves at noon.",
        "How to repair a PC", "A cake without sugar"];
using TextEncoder encoder = args.Length > 2 ? TextEncoder.Load(args[2])
    : TextEncoder.Load(Path.Combine(AppContext.BaseDirectory, "default-model.gguf"));

float[][] vectors = encoder.Embed(lines);
float[] wanted = encoder.Embed([query])[0];
foreach ((string line, float likeness) in lines.Zip(vectors, (line, vector) => (line, TensorPrimitives.CosineSimilarity(wanted, vector)))
    .OrderByDescending(pair => pair.Item2).Take(5))
    Console.WriteLine($"{likeness:F3}  {line}");
