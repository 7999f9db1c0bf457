using EdgeLlm.Generation;
using EdgeLlm.Models;
using EdgeLlm.Sampling.Constraints;
using EdgeLlm.Tests.Tokenization;
using EdgeLlm.Tokenization;

namespace EdgeLlm.Tests.Generation;

public class ConstraintVocabularyTests
{
    [Theory]
    [InlineData("ggml-vocab-llama-spm.gguf")]
    [InlineData("ggml-vocab-gpt-2.gguf")]
    [InlineData("ggml-vocab-phi-3.gguf")]
    [InlineData("ggml-vocab-falcon.gguf")]
    [InlineData("ggml-vocab-deepseek-coder.gguf")]
    [InlineData("ggml-vocab-starcoder.gguf")]
    [InlineData("ggml-vocab-gpt-neox.gguf")]
    public void The_tree_of_a_vocabulary_is_within_the_plan(string name)
    {
        Tokenizer tokenizer = GoldenVocabulary.Load(name);
        TokenTree tree = ConstraintVocabulary.Of(tokenizer);
        TestContext.Current.TestOutputHelper?.WriteLine($"{(double)tree.Bytes / tokenizer.VocabularySize:F1} bytes a token");
        Assert.True(tree.Bytes <= MemoryPlan.ConstraintBytes(tokenizer.VocabularySize, 0),
            $"{(double)tree.Bytes / tokenizer.VocabularySize:F1} bytes a token");
    }
}
