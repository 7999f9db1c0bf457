using EdgeLlm.Fuzz.Inputs;
using EdgeLlm.Kernels;
using EdgeLlm.Speech.Synthesis;

namespace EdgeLlm.Fuzz.Targets;

/// <summary>Packed voices: opened, and a sentence's first sound made.</summary>
internal static class VoiceTarget
{
    private static readonly Lazy<GgufDocument> Sample = new(() => GgufDocument.Parse(TinyVoice.ToArray()));

    public static string? Run(FuzzCase current)
    {
        byte[] bytes = GgufMutator.Mutate(current.Dice, Sample.Value);
        string path = current.PathOf("mutant.gguf");
        File.WriteAllBytes(path, bytes);
        current.Begin(bytes.Length);
        using VoiceModel model = VoiceModel.Open(path);
        using var synthesis = new SentenceSynthesis(model, Kernel.Best, floatActivations: current.Dice.OneIn(4));
        synthesis.Begin([0, 1, 2, 3, 0], new SentenceSettings { FirstDurationAtMost = 3 }, seed: 1);
        for (int pieces = 0; pieces < 3 && !synthesis.Next().IsEmpty; pieces++) { }
        return null;
    }
}
