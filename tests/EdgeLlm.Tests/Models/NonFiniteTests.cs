using EdgeLlm.Gguf;
using EdgeLlm.Kernels;
using EdgeLlm.Kernels.Formats;
using EdgeLlm.Models;
using EdgeLlm.Quantization;

namespace EdgeLlm.Tests.Models;

/// <summary>
/// One number of a file that is infinite or not a number, in any tensor, ends a pass with <see cref="NotFiniteException"/>: nothing
/// swallows it.
/// </summary>
public sealed class NonFiniteTests : IDisposable
{
    private static readonly float[] Damage = [float.NaN, float.PositiveInfinity, float.NegativeInfinity];

    private readonly string _folder = Directory.CreateTempSubdirectory("edgellm-finite").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void In_every_tensor_of_a_float_model_on_every_kernel()
    {
        string path = Path.Combine(_folder, "float.gguf");
        File.Copy(SharedFolder.Require("models", "stories260K.f32.gguf"), path);
        RequireNoticed(path, tensor => tensor.Name == "token_embd.weight" ? 2 * 64 * sizeof(float) : 0);
    }

    /// <summary>A group of packed rows begins with its rows' scales; row 2 of the embedding is token 2's.</summary>
    [Fact]
    public void In_every_tensor_of_a_packed_model_on_every_kernel()
    {
        string path = Path.Combine(_folder, "packed.gguf");
        using (GgufFile source = GgufFile.Open(SharedFolder.Require("models", "stories260K.f32.gguf")))
            new FastQuantizer(new QuantizationPlan(source, Packing.E4Group32, Packing.E8Group32))
                .Save(path, (_, _) => { }, CancellationToken.None);
        RequireNoticed(path, static _ => 2 * sizeof(float));
    }

    [Fact]
    public void Embeddings_and_passes_of_several_sequences_notice_too()
    {
        string path = Path.Combine(_folder, "norm.gguf");
        File.Copy(SharedFolder.Require("models", "stories260K.f32.gguf"), path);
        Write(path, "output_norm.weight", 0, float.NaN);
        using LanguageModel model = LanguageModel.Load(path, new ModelOptions { Threads = 1, ContextLength = 64 });
        using KvCache first = model.CreateCache(), second = model.CreateCache();
        Assert.Throws<NotFiniteException>(() => model.Embed([1, 2, 3], first));
        Assert.Throws<NotFiniteException>(() => model.ForwardBatch([1, 2], [first, second]));
        model.ForwardWithoutLogits([1], first); // what the damage does not touch goes on
    }

    private static void RequireNoticed(string path, Func<GgufTensor, long> place)
    {
        GgufTensor[] tensors;
        using (GgufFile file = GgufFile.Open(path)) tensors = [.. file.Tensors];
        byte[] whole = File.ReadAllBytes(path);
        var missed = new List<string>();
        foreach (GgufTensor tensor in tensors)
        {
            foreach (float value in Damage)
            {
                Write(path, tensor.Name, place(tensor), value);
                foreach (Kernel kernel in Kernel.Available)
                {
                    using LanguageModel model =
                        LanguageModel.Load(path, new ModelOptions { Threads = 1, Kernel = kernel.Name, ContextLength = 64 });
                    using KvCache cache = model.CreateCache();
                    if (Record.Exception(() => model.Forward([1, 2, 3, 2, 1], cache)) is not NotFiniteException)
                        missed.Add($"{tensor.Name} {value} {kernel.Name}");
                }
                using FileStream restored = File.OpenWrite(path);
                restored.Position = tensor.Offset + place(tensor);
                restored.Write(whole, (int)restored.Position, sizeof(float));
            }
        }
        Assert.True(missed.Count == 0, string.Join('\n', missed));
    }

    private static void Write(string path, string tensor, long offset, float value)
    {
        long start;
        using (GgufFile file = GgufFile.Open(path)) start = file.FindTensor(tensor)!.Offset;
        using FileStream damaged = File.OpenWrite(path);
        damaged.Position = start + offset;
        damaged.Write(BitConverter.GetBytes(value));
    }
}
