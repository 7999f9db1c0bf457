using System.Globalization;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using EdgeLlm.Gguf;
using EdgeLlm.Kernels.Formats;
using EdgeLlm.Models;
using EdgeLlm.Models.Adapters;
using EdgeLlm.Models.Spec;
using EdgeLlm.Quantization.Calibration;
using EdgeLlm.Quantization.Rounding;

namespace EdgeLlm.Quantization;

/// <summary>
/// Packs a model at the best quality: layer by layer every matrix is rounded for what its errors cost the whole model on a calibration
/// text, or for what it multiplies there, then the scales of rows and norms are tuned on the whole. Finished layers wait in a file beside
/// the output, so that a run that was cut short continues from there.
/// </summary>
internal sealed class CalibratedQuantizer : ModelQuantizer
{
    private readonly QuantizationPlan _plan;
    private readonly QuantizationSettings _settings;
    private readonly ChangedWeights? _adapters;
    private readonly SourceModel _source;
    private readonly CalibrationText _text;
    private readonly string _textHash;
    private readonly QuantizationWork _work;

    /// <param name="text">What to calibrate with; null: the text that comes with the program.</param>
    /// <param name="adapters">Adapters that the packed model is going to be used with: its weights are rounded for what the model computes
    /// with them; null: none.</param>
    /// <exception cref="ModelException">The text has no whole window, or the adapters can't be calibrated with.</exception>
    public CalibratedQuantizer(QuantizationPlan plan, QuantizationSettings settings, string? text, ChangedWeights? adapters = null)
    {
        (_plan, _settings, _adapters) = (plan, settings, adapters);
        _source = new SourceModel(plan.File, adapters);
        if (adapters is not null && !UsesLoss)
            throw new ModelException(plan.File.Path,
                $"is not calibrated with adapters: {_source.NoPrograms ?? "that takes the whole model's loss, so leave --no-gradients out"}");
        plan.Rotates = UsesLoss && settings.Rotates;
        _text = CalibrationText.Read(plan.File, text, settings.WindowLength, settings.Windows);
        _textHash =
            Convert.ToHexString(SHA256.HashData(MemoryMarshal.AsBytes(_text.Tokens))); // of the text, its tokenizer and its chat template
        _work = new QuantizationWork(_source, _text, settings);
    }

    /// <summary>About how long it takes on this machine.</summary>
    public TimeSpan EstimateTime() => _work.Estimate();

    /// <summary>Bytes of unfinished work beside the output, at most: finished layers, and streams of the calibration text.</summary>
    public long WorkBytes
    {
        get
        {
            long width = _source.Model.Width;
            // A checkpoint is replaced by a new one that is beside it for a moment.
            return _plan.OutputBytes + (UsesLoss
                ? 2 * LossQuantizer.CheckpointBytes(_source, _text)
                    + SourceStreams.ByteCount(_text.Length * width, SourceWindows.RecordCount(_source, _text))
                : 2 * sizeof(float) * _text.Tokens.Length * width);
        }
    }

    /// <summary>Where hashes of models are remembered; null: nowhere, and the whole source is read for its hash.</summary>
    public string? IdentityFolder { get; init; }

    public Action<string> Log { get; init; } = static _ => { };

    /// <summary>
    /// Where unfinished work is kept, until an output is whole: its layers or matrices; the streams or derivatives and statistics of the
    /// calibration text where the work is; the source's outputs; scales so far; the source's streams.
    /// </summary>
    public static string[] FilesBeside(string output)
    {
        string state = output + ".state";
        return [state, state + ".stream", state + ".source", state + ".tuning", state + ".inputs"];
    }

    /// <inheritdoc/>
    public override void Save(string path, Action<string, double> progress, CancellationToken cancellation)
    {
        string[] beside = FilesBeside(path);
        string statePath = beside[0];
        byte[] identity = Identity();
        Checkpoint stream = new(beside[1], identity), source = new(beside[2], identity), tuning = new(beside[3], identity);
        using (var state = QuantizationState.Open(statePath, identity))
        {
            float[]? hidden = null; // the source's last hidden states
            if (UsesLoss) hidden = QuantizeByLoss(state, stream, beside[4], identity, progress, cancellation);
            else QuantizeLayers(state, stream, progress, cancellation);
            PackedMatrix[] matrices = [.. state.Layers.SelectMany(layer => layer.Matrices)];
            var norms = new Dictionary<string, float[]> { [_source.OutputNormStep.Weight.Name] = _source.OutputNorm };
            for (int l = 0; l < _source.LayerCount && _source.NoPrograms is null; l++)
            {
                IReadOnlyDictionary<string, float[]>? packedFor = UsesLoss ? null : state.Layers[l].Norms;
                foreach ((string name, float[] norm) in packedFor ?? _source.ReadNorms(l)) norms[name] = norm;
            }
            if (_settings.TuningEpochs > 0 && _source.NoPrograms is null)
            {
                hidden ??= SourceHidden(source, progress, cancellation);
                norms = Tune(tuning, matrices, norms, hidden, progress, cancellation);
            }
            progress("writing", 1);
            Write(path, matrices.ToDictionary(matrix => matrix.Tensor.Name), norms, progress, cancellation);
        }
        foreach (Checkpoint checkpoint in new[] { stream, source, tuning }) checkpoint.Delete();
        File.Delete(beside[4]);
        File.Delete(statePath);
    }

    /// <summary>Whether matrices are rounded by the whole model's loss; else for their inputs alone.</summary>
    private bool UsesLoss => _settings.UsesGradients && _source.NoPrograms is null;

    /// <summary>A matrix at a time, from the last layer to the first. Gives the source's last hidden states: [tokens, width].</summary>
    private float[] QuantizeByLoss(QuantizationState state, Checkpoint checkpoint, string streamsPath, byte[] identity,
        Action<string, double> progress, CancellationToken cancellation)
    {
        using var streams = new SourceStreams(streamsPath, identity, (long)_text.Length * _source.Model.Width);
        var windows = new SourceWindows(_source, _text, streams) { Cancellation = cancellation };
        windows.Forward((what, done) => progress($"source {what}", _work.LossForward(done)));
        windows.Differentiate((what, share) => progress($"loss {what}", _work.LossHead(share)));
        var quantizer = new LossQuantizer(_source, windows, _text.Length)
        {
            LayoutOf = _plan.LayoutOf,
            Sweeps = _settings.Sweeps,
            Log = Log,
            Cancellation = cancellation,
        };
        quantizer.Run(state, checkpoint, (what, done) => progress(what, _work.Layers(done)));
        AppendHeads(state, quantizer.QuantizeHead, progress);
        float[] hidden = new float[_text.Tokens.Length * _source.Model.Width];
        windows.ReadHidden(hidden);
        return hidden;
    }

    private OperationRounder NewRounder(CancellationToken cancellation) => new()
    {
        PackingOf = _plan.PackingOf,
        Damping = _settings.Damping,
        Shrinkage = _settings.Shrinkage,
        Sweeps = _settings.Sweeps,
        Log = Log,
        Cancellation = cancellation,
    };

    private void QuantizeLayers(QuantizationState state, Checkpoint stream, Action<string, double> progress, CancellationToken cancellation)
    {
        int layers = _source.LayerCount;
        OperationRounder rounder = NewRounder(cancellation);
        LayerQuantizer quantizer = _source.NoPrograms is null ? new ProgramQuantizer(_source, _text, rounder)
            : new StepwiseQuantizer(_source, _text, rounder);
        using IDisposable? memory = quantizer as IDisposable;
        int passed = stream.TryLoad(state.Layers.Count, quantizer.Stream) ?? 0;
        for (int l = 0; l < layers; l++)
        {
            progress($"layer {l + 1} of {layers}", _work.Layers(l));
            if (l >= state.Layers.Count)
            {
                state.Append(quantizer.Quantize(l));
                stream.Save(l + 1, quantizer.Stream);
            }
            else if (l >= passed)
            {
                quantizer.Pass(l, state.Layers[l]);
            }
        }
        AppendHeads(state, quantizer.QuantizeHead, progress);
    }

    /// <summary>Embedding and head; one after the other, so that the floats of one of them are there at a time.</summary>
    /// <param name="roundHead">Rounds the one that makes logits.</param>
    private void AppendHeads(QuantizationState state, Func<string, float[], PackedMatrix> roundHead, Action<string, double> progress)
    {
        progress("embedding", _work.Layers(_source.LayerCount));
        HashSet<string> rounded = [.. state.Layers.SelectMany(part => part.Matrices).Select(matrix => matrix.Tensor.Name)];
        foreach (string name in new[] { TensorTable.Embedding, TensorTable.Head }
            .Where(name => _plan.PackingOf(name) != Packing.None && !rounded.Contains(name)))
        {
            StageMemory.Return();
            float[] weights = _source.ReadMatrix(name);
            PackedMatrix packed = name == _source.HeadName
                ? roundHead(name, weights)
                : MatrixQuantizer.Plain(name, weights, _source.Model.VocabularySize, _plan.LayoutOf(name, _source.Model.Width));
            state.Append(new QuantizedLayer([packed], Norms: null));
            progress($"embedding {name}", _work.Layers(_source.LayerCount));
        }
    }

    /// <summary>The source's last hidden states [tokens, width], computed or out of the file where they wait.</summary>
    private float[] SourceHidden(Checkpoint source, Action<string, double> progress, CancellationToken cancellation)
    {
        StageMemory.Return();
        float[] hidden = new float[_text.Tokens.Length * _source.Model.Width];
        if (source.TryLoad(_source.LayerCount, hidden) is not null) return hidden;
        _source.HiddenStates(_text, hidden, layers => progress("source", _work.SourceLayers(layers)), cancellation);
        source.Save(_source.LayerCount, hidden);
        return hidden;
    }

    /// <summary>Gives all norms by their tensors' names.</summary>
    private Dictionary<string, float[]> Tune(Checkpoint tuning, PackedMatrix[] matrices, Dictionary<string, float[]> norms,
        float[] sourceHidden, Action<string, double> progress, CancellationToken cancellation)
    {
        StageMemory.Return();
        var tuner = new ScaleTuner(_source, _text, matrices, norms, sourceHidden)
        {
            RowRate = _settings.RowRate,
            NormRate = _settings.NormRate,
            Epochs = _settings.TuningEpochs,
            Checkpoint = tuning,
            Progress = (what, share) => progress($"tuning {what}", _work.Tuning(share)),
            Log = Log,
        };
        return tuner.Tune(cancellation);
    }

    private void Write(string path, Dictionary<string, PackedMatrix> matrices, Dictionary<string, float[]> norms,
        Action<string, double> progress, CancellationToken cancellation)
    {
        var writer = new PackedModelWriter(_plan, static _ => { }, cancellation);
        foreach (GgufTensor tensor in _plan.Tensors)
        {
            if (matrices.TryGetValue(tensor.Name, out PackedMatrix? matrix))
                writer.AddPacked(matrix.Tensor, output =>
                {
                    cancellation.ThrowIfCancellationRequested();
                    matrix.Write(output);
                    progress($"writing {tensor.Name}", 1);
                });
            else if (norms.TryGetValue(tensor.Name, out float[]? norm)) writer.AddVector(tensor, norm);
            else writer.AddCopy(tensor);
        }
        writer.Save(path,
        [
            ("edgellm.quantization.method",
                GgufValue.Of(UsesLoss ? "the whole model's loss on a calibration text, tuned scales"
                    : "error feedback on a calibration text, tuned scales")),
            ("edgellm.quantization.calibration.sha256", GgufValue.Of(_textHash)),
            ("edgellm.quantization.calibration.tokens", GgufValue.Of((uint)_text.Tokens.Length)),
            .. _adapters?.Adapters.Take(1)
                .Select(_ => ("edgellm.quantization.calibration.adapters",
                    GgufValue.Of(string.Join(", ", _adapters.Adapters.Select(one => one.Adapter.Name))))) ?? [],
        ]);
    }

    /// <summary>A hash of all that finished layers depend on.</summary>
    private byte[] Identity()
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(ModelIdentity.Of(_plan.File, IdentityFolder));
        // Field by field (how often to tune is not among them): a new property of the settings must not throw away hours of work by itself.
        var description = new StringBuilder();
        description.Append(CultureInfo.InvariantCulture,
            $"7 {ModelIdentity.Arithmetic} {_settings.WindowLength} {_settings.Windows} {_settings.Damping:R} ");
        description.Append(CultureInfo.InvariantCulture,
            $"{_settings.Shrinkage:R} {_settings.Sweeps} {_settings.RowRate:R} {_settings.NormRate:R} {UsesLoss} {_plan.Rotates}");
        foreach (GgufTensor tensor in _plan.Tensors)
            description.Append(CultureInfo.InvariantCulture, $"\n{tensor.Name} {_plan.PackingOf(tensor.Name)}");
        hash.AppendData(Encoding.UTF8.GetBytes(description.ToString()));
        hash.AppendData(MemoryMarshal.AsBytes(_text.Tokens));
        foreach ((Adapter adapter, float scale) in _adapters?.Adapters ?? [])
        {
            hash.AppendData(adapter.Identity.Span);
            hash.AppendData(BitConverter.GetBytes(scale));
        }
        return hash.GetHashAndReset();
    }
}
