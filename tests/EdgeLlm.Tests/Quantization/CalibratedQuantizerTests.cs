using EdgeLlm.Gguf;
using EdgeLlm.Kernels.Formats;
using EdgeLlm.Models;
using EdgeLlm.Quantization;
using EdgeLlm.Quantization.Calibration;
using EdgeLlm.Quantization.Rounding;
using EdgeLlm.Tokenization;

namespace EdgeLlm.Tests.Quantization;

/// <summary>A small real model packed with calibration.</summary>
public sealed class CalibratedQuantizerTests : IDisposable
{
    private const string Text = """
        Once upon a time there was a little girl named Lily. She had a red ball and a small dog. One day they went to the park to play.
        The dog saw a big cat and ran away. Lily was sad. She looked under the tree and behind the bench. Then she heard a bark. "There you are!" she said.
        Tom and his mom baked a cake. Tom put too much sugar in the bowl. "It is very sweet," said his mom, and they laughed. They gave a piece to the neighbor.
        The old man had a boat. Every morning he went out on the lake to catch fish. One day he caught a very big fish. The fish could talk. "Please let me go," it said.
        """;

    private static readonly QuantizationSettings Settings = new() { WindowLength = 64 };

    private readonly string _folder = Directory.CreateTempSubdirectory("edgellm-calibrated").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Its_predictions_are_nearer_to_the_source_than_those_of_plain_rounding()
    {
        using GgufFile file = GgufFile.Open(SharedFolder.Require("models", "stories260K.f32.gguf"));
        string fast = Path.Combine(_folder, "fast.gguf"), calibrated = Path.Combine(_folder, "calibrated.gguf");
        new FastQuantizer(Plan(file)).Save(fast, (_, _) => { }, CancellationToken.None);
        new CalibratedQuantizer(Plan(file), Settings, null).Save(calibrated, (_, _) => { }, CancellationToken.None);
        Assert.Equal(new FileInfo(fast).Length, new FileInfo(calibrated).Length, 1024.0); // what was done is recorded
        Assert.InRange(Divergence(file.Path, calibrated), 0, 0.8 * Divergence(file.Path, fast));
        using GgufFile result = GgufFile.Open(calibrated);
        Assert.Contains("calibration", result.Metadata.GetString("edgellm.quantization.method"));
        Assert.Equal(["calibrated.gguf", "fast.gguf"], Directory.GetFiles(_folder).Select(Path.GetFileName).Order());
    }

    [Fact]
    public void A_run_that_was_cut_short_goes_on_and_ends_as_one_that_was_not()
    {
        using GgufFile file = GgufFile.Open(SharedFolder.Require("models", "stories260K.f32.gguf"));
        string whole = Path.Combine(_folder, "whole.gguf"), resumed = Path.Combine(_folder, "resumed.gguf"), state = resumed + ".state";
        Quantizer(file).Save(whole, (_, _) => { }, CancellationToken.None);
        using var cut = new CancellationTokenSource();
        Assert.ThrowsAny<OperationCanceledException>(() => Quantizer(file).Save(resumed, (what, _) =>
        {
            if (what.StartsWith("layer 4"))
                cut.Cancel();
        }, cut.Token));
        Assert.False(File.Exists(resumed));
        Assert.True(File.Exists(state + ".stream")); // it is one layer ahead of what is left of the state
        using (FileStream damaged = File.Open(state, FileMode.Open)) damaged.SetLength(damaged.Length - 5); // the last layer is not whole
        Quantizer(file).Save(resumed, (_, _) => { }, CancellationToken.None);
        Assert.Equal(File.ReadAllBytes(whole), File.ReadAllBytes(resumed));
        Assert.Equal(["resumed.gguf", "whole.gguf"], Directory.GetFiles(_folder).Select(Path.GetFileName).Order());
    }

    [Theory]
    [InlineData("layer 3", 2, false)] // layers that are not rounded again
    [InlineData("source", 5, false)]
    [InlineData("tuning step 2 ", 5, false)]
    [InlineData("layer 4", 1, true)] // from the last to the first
    [InlineData("loss", 0, true)]
    [InlineData("embedding", 5, true)]
    [InlineData("tuning step 2 ", 5, true)]
    public void A_rerun_begins_where_the_work_was(string moment, int layers, bool usesGradients)
    {
        QuantizationSettings settings = Settings with { UsesGradients = usesGradients };
        using GgufFile file = GgufFile.Open(SharedFolder.Require("models", "stories260K.f32.gguf"));
        string whole = Path.Combine(_folder, "whole.gguf"), resumed = Path.Combine(_folder, "resumed.gguf");
        (int matrices, int steps) = Run(whole, CancellationToken.None);
        using var cut = new CancellationTokenSource();
        Assert.ThrowsAny<OperationCanceledException>(
            () => new CalibratedQuantizer(Plan(file), settings, Text).Save(resumed, (what, _) =>
            {
                if (what.StartsWith(moment))
                    cut.Cancel();
            }, cut.Token));
        Assert.NotEqual(0, matrices);
        Assert.Equal((matrices / 5 * (5 - layers), steps - (moment.StartsWith("tuning") ? 2 : 0)), Run(resumed, CancellationToken.None));
        Assert.Equal(File.ReadAllBytes(whole), File.ReadAllBytes(resumed));

        (int Matrices, int Steps) Run(string path, CancellationToken cancellation)
        {
            int rounded = 0, tuned = 0;
            var quantizer = new CalibratedQuantizer(Plan(file), settings, Text)
            {
                Log = line => Interlocked.Add(ref rounded, line.Contains("held-out error") || line.Contains("rounded by the loss") ? 1 : 0),
            };
            quantizer.Save(path, (what, _) => tuned += what.StartsWith("tuning step") ? 1 : 0, cancellation);
            return (rounded, tuned);
        }
    }

    [Theory]
    [InlineData("source layer 3, window 5 ")]
    [InlineData("loss window 3 ")]
    [InlineData("layer 3 of 5, window 4 ")]
    [InlineData("layer 3 of 5, blk.")]
    [InlineData("embedding token_embd.weight")]
    [InlineData("tuning before, window 1 ")]
    [InlineData("tuning step 3 ")]
    [InlineData("tuning after, window 1 ")]
    [InlineData("writing blk.2.")]
    public void No_window_and_no_matrix_is_done_twice(string moment)
    {
        string text = string.Concat(Enumerable.Repeat(Text, 3)), whole = Path.Combine(_folder, "whole.gguf"),
            resumed = Path.Combine(_folder, "resumed.gguf");
        using GgufFile file = GgufFile.Open(SharedFolder.Require("models", "stories260K.f32.gguf"));
        List<string> all = Run(whole, null), before = Run(resumed, moment), after = Run(resumed, null);
        Assert.NotEmpty(before);
        Assert.Empty(before.Intersect(after));
        Assert.Equal(all.Order(StringComparer.Ordinal), before.Concat(after).Order(StringComparer.Ordinal));
        Assert.Equal(File.ReadAllBytes(whole), File.ReadAllBytes(resumed));

        List<string> Run(string path, string? end)
        {
            var done = new List<string>();
            using var cut = new CancellationTokenSource();
            var quantizer = new CalibratedQuantizer(Plan(file), Settings, text);
            Exception? exception = Record.Exception(() => quantizer.Save(path, (what, _) =>
            {
                if (!what.StartsWith("writing") && what != "embedding") done.Add(what);
                if (end is not null && what.StartsWith(end)) cut.Cancel();
            }, cut.Token));
            Assert.Equal(end is null, exception is null);
            return done;
        }
    }

    [Fact]
    public void A_model_of_one_layer_is_packed_like_others()
    {
        string path = Path.Combine(_folder, "one.gguf"), packed = Path.Combine(_folder, "packed.gguf");
        using (GgufFile source = GgufFile.Open(SharedFolder.Require("models", "stories260K.f32.gguf")))
        {
            var writer = new GgufWriter();
            foreach ((string key, GgufValue value) in source.Metadata)
                writer.Set(key, key == "llama.block_count" ? GgufValue.Of(1u) : value);
            foreach (GgufTensor tensor in source.Tensors.Where(tensor => !tensor.Name.StartsWith("blk.")
                || tensor.Name.StartsWith("blk.0.")))
                writer.SetTensor(tensor.Name, [.. tensor.Shape], tensor.Type,
                    output => output.Write(source.Bytes(tensor, 0, (int)tensor.ByteCount)));
            writer.Save(path);
        }
        using (GgufFile file = GgufFile.Open(path)) Quantizer(file).Save(packed, (_, _) => { }, CancellationToken.None);
        Assert.InRange(Divergence(path, packed), 0, 0.1);
    }

    [Fact]
    public void Two_runs_on_a_longer_text_give_the_same_bytes()
    {
        using GgufFile file = GgufFile.Open(SharedFolder.Require("models", "stories260K.f32.gguf"));
        byte[][] runs = [.. Enumerable.Range(0, 2).Select(run =>
        {
            // Arrays lie elsewhere in memory each time, and other threads have other shares of the work.
            byte[][] between = [.. Enumerable.Range(0, 1 + run).Select(i => new byte[1000 + 8 * i])];
            string path = Path.Combine(_folder, $"run{run}.gguf");
            new CalibratedQuantizer(Plan(file), Settings with { WindowLength = 256, Windows = 16 }, null)
                .Save(path, (_, _) => GC.KeepAlive(between), CancellationToken.None);
            return File.ReadAllBytes(path);
        })];
        Assert.Equal(runs[0], runs[1]);
    }

    [Fact]
    public void Rounding_stage_by_stage_computes_what_a_whole_pass_does()
    {
        using GgufFile file = GgufFile.Open(SharedFolder.Require("models", "stories260K.f32.gguf"));
        (SourceModel source, CalibrationText text) = Read(file);
        ProgramQuantizer staged = New(), whole = New();
        for (int l = 0; l < source.Programs.Count; l++)
        {
            Assert.Empty(staged.Quantize(l).Matrices);
            whole.Pass(l, new QuantizedLayer([], Norms: null));
            for (int i = 0; i < staged.Stream.Length; i++) Assert.Equal(whole.Stream[i], staged.Stream[i], 1e-3);
        }

        ProgramQuantizer New() => new(source, text, Rounder(_ => Packing.None));
    }

    [Fact]
    public void Layers_run_by_their_own_steps_compute_what_their_form_in_floats_does()
    {
        using GgufFile file = GgufFile.Open(SharedFolder.Require("models", "stories260K.f32.gguf"));
        (SourceModel source, CalibrationText text) = Read(file);
        var program = new ProgramQuantizer(source, text, Rounder(_ => Packing.None));
        using var steps = new StepwiseQuantizer(source, text, Rounder(_ => Packing.None));
        for (int l = 0; l < source.LayerCount; l++)
        {
            Assert.Empty(program.Quantize(l).Matrices);
            Assert.Empty(steps.Quantize(l).Matrices);
            for (int i = 0; i < steps.Stream.Length; i++) Assert.Equal(program.Stream[i], steps.Stream[i], 1e-3);
        }
    }

    [Fact]
    public void Layers_packed_by_their_own_steps_are_as_near_to_the_source_as_by_their_form_in_floats()
    {
        using GgufFile file = GgufFile.Open(SharedFolder.Require("models", "stories260K.f32.gguf"));
        (SourceModel source, CalibrationText text) = Read(file);
        QuantizationPlan plan = Plan(file);
        var whole = new ProgramQuantizer(source, text, Rounder(_ => Packing.None));
        var program = new ProgramQuantizer(source, text, Rounder(plan.PackingOf));
        using var steps = new StepwiseQuantizer(source, text, Rounder(plan.PackingOf));
        using var again = new StepwiseQuantizer(new SourceModel(file), text, Rounder(plan.PackingOf));
        for (int l = 0; l < source.LayerCount; l++)
        {
            whole.Quantize(l);
            program.Quantize(l);
            again.Pass(l, steps.Quantize(l));
        }
        Assert.Equal(steps.Stream, again.Stream);
        Assert.InRange(Distance(steps.Stream) / Distance(program.Stream), 0.3, 1.3);

        double Distance(float[] stream) => stream.Zip(whole.Stream, (a, b) => (double)(a - b) * (a - b)).Sum();
    }

    private static (SourceModel Source, CalibrationText Text) Read(GgufFile file)
    {
        var tokenizer = Tokenizer.Create(ModelLoader.ReadTokenizer(file));
        return (new SourceModel(file), new CalibrationText(tokenizer, [.. tokenizer.Encode(Text)], 64, 8));
    }

    private static OperationRounder Rounder(Func<string, Packing> packingOf) =>
        new() { PackingOf = packingOf, Damping = 0.01, Shrinkage = 0.1, Sweeps = 1 };

    private static QuantizationPlan Plan(GgufFile file) => new(file, Packing.E4Group32, Packing.E8Group32);

    private static CalibratedQuantizer Quantizer(GgufFile file) => new(Plan(file), Settings, Text);

    /// <summary>The mean KL divergence of the second model's predictions from the first one's for a text.</summary>
    private static double Divergence(string first, string second)
    {
        float[] a = Logits(first), b = Logits(second);
        const int Vocabulary = 512;
        double sum = 0;
        for (int start = 0; start < a.Length; start += Vocabulary)
        {
            double[] p = LogProbabilities(a.AsSpan(start, Vocabulary)), q = LogProbabilities(b.AsSpan(start, Vocabulary));
            for (int i = 0; i < Vocabulary; i++) sum += Math.Exp(p[i]) * (p[i] - q[i]);
        }
        return sum / (a.Length / Vocabulary);
    }

    private static double[] LogProbabilities(ReadOnlySpan<float> logits)
    {
        double[] values = [.. logits.ToArray().Select(logit => (double)logit)];
        double logSum = Math.Log(values.Sum(Math.Exp));
        return [.. values.Select(value => value - logSum)];
    }

    private static float[] Logits(string path)
    {
        using var model = LanguageModel.Load(path, new ModelOptions { ContextLength = 128 });
        int[] ids = model.Tokenizer.Encode(
            "Sara and Ben liked to play in the garden. They found a small green frog near the pond and wanted to keep it.", false, true);
        float[] logits = new float[ids.Length * model.Info.VocabularySize];
        using KvCache cache = model.CreateCache();
        model.ForwardAll(ids, cache, logits);
        return logits;
    }
}
