using System.Numerics.Tensors;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using EdgeLlm.Chat;
using EdgeLlm.Generation;
using EdgeLlm.Gguf;
using EdgeLlm.Kernels;
using EdgeLlm.Models;
using EdgeLlm.Sampling;
using EdgeLlm.Tokenization;

namespace EdgeLlm.Fuzz.Targets;

/// <summary>
/// Opens a mutant as a model and, where it is accepted, computes tokens with it between guard pages, in every way that a program has.
/// </summary>
internal static class ModelUse
{
    private const string Prompt = "The <|im_start|>thing\n and 123 \u00e9\u0301 \U0001F600 </s>\0 in";

    // What the plan may allow itself: a mutant that would take the whole machine is refused, as on a small one.
    private const long MemoryLimit = 192L << 20;

    /// <exception cref="WrongResultException">Another kernel or chunk gives other bits, or an output is not what it should be.</exception>
    public static void Load(FuzzCase current, string path)
    {
        Dice dice = current.Dice;
        var options = new ModelOptions
        {
            ContextLength = dice.Pick(0, 1, 32, 33, 100, 512),
            Threads = dice.OneIn(24) ? 2 : 1,
            PrefillChunk = dice.Pick(1, 2, 3, 8, 256),
            Kernel = dice.Of(Kernel.Available).Name,
            CacheType = dice.Pick(KeyValueType.F16, KeyValueType.F32, KeyValueType.I8),
            FloatActivations = dice.OneIn(12),
            MemoryLimit = MemoryLimit,
        };
        using LanguageModel model = LanguageModel.Load(path, options);
        current.Planned();
        nint guard = GuardEnd(model);
        try
        {
            int[] tokens = [.. Enumerable.Range(0, Math.Min(3, model.ContextLength)).Select(_ => dice.Below(model.Info.VocabularySize))];
            float[]? logits = Compute(model, tokens, out int next);
            if (dice.OneIn(4)) Compare(path, options, tokens, logits);
            if (model.ContextLength < 16 || next < 0) return;
            Converse(model, dice);
        }
        finally
        {
            GuardedMemory.Unguard(guard);
        }
    }

    /// <summary>A prompt of three tokens and a fourth, the likeliest: its logits, or null where numbers overflow.</summary>
    private static float[]? Compute(LanguageModel model, int[] tokens, out int next)
    {
        next = -1;
        using KvCache cache = model.CreateCache();
        try
        {
            Span<float> logits = model.Forward(tokens, cache);
            if (cache.Length == cache.Capacity) return logits.ToArray();
            next = Math.Max(0, TensorPrimitives.IndexOfMax<float>(logits));
            return model.Forward([next], cache).ToArray();
        }
        catch (NotFiniteException)
        {
            return null;
        }
    }

    /// <summary>Promise 3: the scalar kernel gives the same bits, a token at a time, on one thread.</summary>
    private static void Compare(string path, ModelOptions options, int[] tokens, float[]? expected)
    {
        using LanguageModel model = LanguageModel.Load(path, options with { Kernel = "scalar", PrefillChunk = 1, Threads = 1 });
        float[]? logits = Compute(model, tokens, out _);
        if ((logits is null) != (expected is null))
            throw new WrongResultException(
                $"kernel {options.Kernel} with chunks of {options.PrefillChunk} finds numbers "
                    + $"{(expected is null ? "not finite" : "finite")}, the scalar kernel does not");
        if (logits is null) return;
        for (int i = 0; i < logits.Length; i++)
        {
            if (BitConverter.SingleToInt32Bits(logits[i]) == BitConverter.SingleToInt32Bits(expected![i])
                || (float.IsNaN(logits[i]) && float.IsNaN(expected[i])))
                continue;
            throw new WrongResultException(
                $"logit {i} is {expected[i]:R} with kernel {options.Kernel} and chunks of {options.PrefillChunk}, {logits[i]:R} with the "
                    + "scalar kernel");
        }
    }

    /// <summary>Four tokens of an answer to a chat, as `run` and `serve` make it, and an embedding.</summary>
    private static void Converse(LanguageModel model, Dice dice)
    {
        RoundTrip(model.Tokenizer);
        var format = new ChatFormat(model);
        List<int> prompt = format.Encode(new ChatRequest { Messages = [new ChatMessage("user", Prompt[..8])] });
        if (prompt.Count == 0 || prompt.Count > model.ContextLength) return;
        if (prompt.Exists(id => id >= model.Info.VocabularySize)) return; // refused when it is fed
        using var cache = new SequenceCache(model);
        var answer = new Sequence(cache,
            new GenerationOptions { MaxTokens = 4, Sampling = dice.OneIn(2) ? SamplingOptions.Greedy : new SamplingOptions { Seed = 1 } });
        answer.Begin(prompt);
        while (answer.Next(CancellationToken.None) is not null)
        {
        }
        if (!dice.OneIn(8)) return;
        float[] embedding = model.Embed(CollectionsMarshal.AsSpan(prompt), cache.Memory);
        if (embedding.Length != model.Info.EmbeddingLength) throw new WrongResultException($"an embedding has {embedding.Length} numbers");
    }

    /// <summary>Text to tokens and back, in all ways; ids are those of the vocabulary.</summary>
    public static void RoundTrip(Tokenizer tokenizer)
    {
        foreach (bool special in new[] { false, true })
        {
            int[] ids = tokenizer.Encode(Prompt, parseSpecial: special, addSpecial: special);
            if (Array.Find(ids, id => (uint)id >= (uint)tokenizer.VocabularySize) is var wrong and not 0)
                throw new WrongResultException($"token {wrong} is not one of {tokenizer.VocabularySize}");
            tokenizer.Decode(ids, renderSpecial: special);
        }
        tokenizer.Decode([0, tokenizer.VocabularySize - 1], renderSpecial: true);
    }

    /// <summary>Makes the page after the mapped file, which ends at the end of one, untouchable.</summary>
    private static nint GuardEnd(LanguageModel model)
    {
        MappedFile map = FileOf(model).Maps[0];
        return GuardedMemory.GuardEnd(map.Address(0, 0), map.Length);
    }

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_file")]
    private static extern ref GgufFile FileOf(LanguageModel model);
}
