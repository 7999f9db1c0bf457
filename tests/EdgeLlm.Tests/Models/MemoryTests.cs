using EdgeLlm.Gguf;
using EdgeLlm.Models;
using EdgeLlm.Sampling;
using EdgeLlm.Tokenization;

namespace EdgeLlm.Tests.Models;

/// <summary>Runs while no other test does: what is counted is the whole process's.</summary>
[CollectionDefinition(nameof(MemoryTests), DisableParallelization = true)]
[Collection(nameof(MemoryTests))]
public sealed class MemoryTests
{
    [Fact]
    public void A_decoded_token_allocates_nothing()
    {
        using var model = LanguageModel.Load(TestModels.Default, new ModelOptions { Threads = 2, ContextLength = 512 });
        var sampler = new Sampler(new SamplingOptions { Seed = 1 }, model.Info.VocabularySize, model.ContextLength);
        var detokenizer = new StreamingDetokenizer(model.Tokenizer);
        using KvCache cache = model.CreateCache();
        int token = 1, characters = 0;
        for (int i = 0; i < 8; i++)
        {
            Step();
            Thread.Sleep(5); // the workers park, whose first time makes a lock
        }
        long before = GC.GetTotalAllocatedBytes(precise: true);
        for (int i = 0; i < 64; i++) Step();
        Assert.Equal(0, GC.GetTotalAllocatedBytes(precise: true) - before);
        Assert.True(characters > 0);

        void Step()
        {
            token = sampler.Sample(model.Forward(new ReadOnlySpan<int>(in token), cache));
            sampler.Accept(token);
            characters += detokenizer.Add(token).Length;
        }
    }

    [Fact]
    public void Tables_of_which_each_token_reads_a_row_stay_on_disk_and_do_not_make_a_model_refused()
    {
        string path = SharedFolder.Require("golden", "logits", "gemma4", "model.gguf");
        long table;
        using (GgufFile file = GgufFile.Open(path)) table = file.FindTensor("per_layer_token_embd.weight")!.ByteCount;
        using var model = LanguageModel.Load(path);
        Assert.Equal((table, new FileInfo(path).Length), (model.Plan.OnDisk, model.Plan.Weights + model.Plan.OnDisk));
        using var tight = LanguageModel.Load(path, new ModelOptions { MemoryLimit = model.Plan.Total });
        Assert.Throws<ModelException>(() => LanguageModel.Load(path, new ModelOptions { MemoryLimit = model.Plan.Total - 1 }));
    }

    [Fact]
    public void Two_opened_models_have_the_weights_once()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "needs /proc/self/smaps");
        string path = TestModels.Default;
        using var first = LanguageModel.Load(path, new ModelOptions { ContextLength = 64 });
        using var second = LanguageModel.Load(path, new ModelOptions { ContextLength = 64 });
        foreach (LanguageModel model in new[] { first, second })
        {
            using KvCache cache = model.CreateCache();
            model.Forward([1, 2, 3], cache);
        }
        (long resident, long shared) = Mapped(path);
        Assert.InRange(resident, 150_000_000, 200_000_000);  // both maps have touched nearly all of 89 MB
        Assert.True(shared <= resident * 0.55, $"{shared} of {resident}"); // and hold each page in common, with other processes too
    }

    /// <summary>Sum of Rss and of Pss over the maps of a file, in bytes.</summary>
    private static (long Resident, long Proportional) Mapped(string path)
    {
        long resident = 0, proportional = 0;
        bool ours = false;
        foreach (string line in File.ReadLines("/proc/self/smaps"))
        {
            string[] words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            // its folder may be a link
            if (!words[0].EndsWith(':')) ours = line.EndsWith("/" + Path.GetFileName(path), StringComparison.Ordinal);
            else if (ours && words[0] == "Rss:") resident += long.Parse(words[1]) * 1024;
            else if (ours && words[0] == "Pss:") proportional += long.Parse(words[1]) * 1024;
        }
        return (resident, proportional);
    }
}
