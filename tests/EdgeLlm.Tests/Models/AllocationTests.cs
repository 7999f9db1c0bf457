using EdgeLlm.Models;
using EdgeLlm.Sampling;
using EdgeLlm.Tokenization;

namespace EdgeLlm.Tests.Models;

/// <summary>Runs while no other test does: what is counted is the whole process's.</summary>
[CollectionDefinition(nameof(AllocationTests), DisableParallelization = true)]
[Collection(nameof(AllocationTests))]
public sealed class AllocationTests
{
    [Fact]
    public void A_decoded_token_allocates_nothing()
    {
        using var model = LanguageModel.Load(SharedFolder.Require("models", "stories260K.f32.gguf"), new ModelOptions { Threads = 2 });
        var sampler = new Sampler(new SamplingOptions { Seed = 1 }, model.Config.VocabularySize, model.ContextLength);
        var detokenizer = new StreamingDetokenizer(model.Tokenizer);
        using KvCache cache = model.CreateCache();
        int token = 1, characters = 0;
        for (int i = 0; i < 8; i++) Step();
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
}
