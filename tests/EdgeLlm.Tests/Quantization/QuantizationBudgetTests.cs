using EdgeLlm.Gguf;
using EdgeLlm.Kernels.Formats;
using EdgeLlm.Models;
using EdgeLlm.Models.Spec;
using EdgeLlm.Quantization;
using EdgeLlm.Quantization.Calibration;
using EdgeLlm.Tokenization;
using EdgeLlm.Training;

namespace EdgeLlm.Tests.Quantization;

public sealed class QuantizationBudgetTests
{
    [Fact]
    public void Forms_fit_the_budget_and_use_it()
    {
        using GgufFile file = Open();
        var plan = new QuantizationPlan(file, Packing.E4Group32, Packing.E8Group32);
        var budget = new QuantizationBudget(plan, null, (_, _) => { }, CancellationToken.None,
            new HashSet<Packing> { Packing.E4Group32, Packing.E4Group16, Packing.E8Group32 });
        budget.Fit(long.MaxValue);
        long largest = plan.OutputBytes;
        Assert.All(Packed(), packing => Assert.Equal(Packing.E8Group32, packing));
        long smallest = new QuantizationPlan(file, Packing.E4Group32, Packing.E4Group32).OutputBytes;
        budget.Fit(smallest);
        Assert.DoesNotContain(Packing.E8Group32, Packed()); // 16 columns to a scale may take no more than 32
        Assert.InRange(plan.OutputBytes, 0, smallest);
        Assert.Throws<ModelException>(() => budget.Fit(smallest - 1));

        long middle = (smallest + largest) / 2;
        budget.Fit(middle);
        Assert.InRange(plan.OutputBytes, middle - (largest - smallest) / 5, middle);
        Assert.True(Packed().Distinct().Count() > 1);
        Assert.True(plan.PredictedDivergence > 0);

        var all = new QuantizationBudget(plan, null, (_, _) => { }, CancellationToken.None);
        all.Fit(smallest * 95 / 100);
        Assert.InRange(plan.OutputBytes, 0, smallest * 95 / 100);
        Assert.Contains(Packing.E3Group32, Packed());
        Assert.NotEqual(Packing.E3Group32, plan.PackingOf("blk.0.attn_v.weight"));

        long half = plan.Tensors.Sum(plan.ReadBytesOf);
        var few = new QuantizationBudget(plan, null, (_, _) => { }, CancellationToken.None,
            new HashSet<Packing> { Packing.E5Group32, Packing.E8Group32 });
        few.Fit(long.MaxValue, half + (largest - half) / 2);
        Assert.Equal(new HashSet<Packing> { Packing.E5Group32, Packing.E8Group32 }, Packed().ToHashSet());

        Packing[] Packed() => [.. plan.Tensors.Select(tensor => plan.PackingOf(tensor.Name)).Where(packing => packing != Packing.None)];
    }

    [Theory]
    [InlineData("blk.0.attn_v.weight")]
    [InlineData("blk.2.ffn_gate.weight")]
    [InlineData("blk.4.attn_output.weight")]
    [InlineData("token_embd.weight")]
    public void The_estimated_divergence_is_about_what_small_errors_make(string name)
    {
        using GgufFile file = Open();
        var source = new SourceModel(file);
        var tokenizer = Tokenizer.Create(ModelLoader.ReadTokenizer(file));
        var text = new CalibrationText(tokenizer, OwnCalibrationText.Encode(tokenizer, file), 128, 12);
        var sensitivities = new SensitivityPass(source);
        sensitivities.Run(text, _ => { }, CancellationToken.None);

        float[] weights = source.ReadMatrix(name), errors = new float[weights.Length];
        var random = new Random(4);
        float size = 0.05f * MathF.Sqrt(weights.Select(weight => weight * weight).Average());
        for (int i = 0; i < errors.Length; i++) errors[i] = size * (2 * random.NextSingle() - 1);
        double measured = Divergence(source, text, name, errors);
        Assert.InRange(sensitivities.Divergence(name, errors), measured / 2, measured * 2);
    }

    /// <summary>The mean KL divergence from the source of a model with these errors in one matrix.</summary>
    private static double Divergence(SourceModel source, CalibrationText text, string name, float[] errors)
    {
        int width = source.Model.Width;
        ModelPass exact = source.NewPass(text.Length), changed = source.NewPass(text.Length);
        float[] head = source.ReadMatrix(source.HeadName), changedHead = (float[])head.Clone();
        if (name == source.HeadName) Add(changedHead);
        var loss = new DivergenceLoss(head, changedHead, width);
        double sum = 0;
        for (int window = 0; window < text.Count; window++)
        {
            source.Embed(text[window], exact.Stream);
            source.Embed(text[window], changed.Stream);
            if (name == TensorTable.Embedding)
            {
                for (int t = 0; t < text.Length; t++)
                {
                    for (int i = 0; i < width; i++) changed.Stream[t * width + i] += errors[text[window][t] * width + i];
                }
            }
            exact.Forward(l => source.ReadLayer(l), source.OutputNorm);
            changed.Forward(Changed, source.OutputNorm);
            sum += loss.Measure(exact.Hidden, 0, changed.Hidden, text.Length, null);
        }
        return sum / text.Tokens.Length;

        LayerWeights Changed(int l)
        {
            LayerWeights layer = source.ReadLayer(l);
            if (source.Steps.Layers[l].SelectMany(step => step.Tensors).FirstOrDefault(use => use.Name == name) is { } use) Add(layer[use]);
            return layer;
        }

        void Add(float[] weights)
        {
            for (int i = 0; i < weights.Length; i++) weights[i] += errors[i];
        }
    }

    private static GgufFile Open() => GgufFile.Open(SharedFolder.Require("models", "stories260K.f32.gguf"));
}
