using System.Globalization;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using EdgeLlm.Gguf;
using EdgeLlm.Kernels.Formats;
using EdgeLlm.Models;
using EdgeLlm.Models.Spec;
using EdgeLlm.Quantization.Calibration;
using EdgeLlm.Quantization.Rounding;

namespace EdgeLlm.Quantization;

/// <summary>
/// Packs a model at the best quality: layer by layer every matrix is rounded for what it multiplies on a calibration text, some with scaled inputs, then the scales of rows
/// and norms are tuned on the whole. Finished layers wait in a file beside the output, so that a run that was cut short goes on from there.
/// </summary>
internal sealed class CalibratedQuantizer : ModelQuantizer
{
    private readonly QuantizationPlan _plan;
    private readonly QuantizationSettings _settings;
    private readonly SourceModel _source;
    private readonly CalibrationText _text;
    private readonly string _textHash;
    private readonly QuantizationWork _work;

    /// <param name="text">What to calibrate with; null: the text that comes with the program.</param>
    /// <exception cref="ModelException">The text has no whole window.</exception>
    public CalibratedQuantizer(QuantizationPlan plan, QuantizationSettings settings, string? text)
    {
        (_plan, _settings) = (plan, settings);
        _source = new SourceModel(plan.File);
        _text = CalibrationText.Read(plan.File, text, settings.WindowLength, settings.Windows);
        _textHash = Convert.ToHexString(SHA256.HashData(MemoryMarshal.AsBytes(_text.Tokens))); // of the text, its tokenizer and its chat template
        _work = new QuantizationWork(_source, _text, settings);
    }

    /// <summary>About how long it takes on this machine.</summary>
    public TimeSpan EstimateTime() => _work.Estimate();

    /// <summary>Where hashes of models are remembered; null: nowhere, and the whole source is read for its hash.</summary>
    public string? IdentityFolder { get; init; }

    public Action<string> Log { get; init; } = static _ => { };

    /// <summary>Where unfinished work is kept, until an output is whole: its layers; the calibration text's inputs, the source's outputs, and scales so far.</summary>
    public static string[] FilesBeside(string output)
    {
        string state = output + ".state";
        return [state, state + ".stream", state + ".source", state + ".tuning"];
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
            QuantizeLayers(state, stream, progress, cancellation);
            PackedMatrix[] matrices = [.. state.Layers.SelectMany(layer => layer.Matrices)];
            var norms = new Dictionary<string, float[]> { [_source.OutputNormStep.Weight.Name] = _source.OutputNorm };
            for (int l = 0; l < _source.LayerCount && _source.NoPrograms is null; l++)
            {
                foreach ((string name, float[] norm) in NormsOf(state.Layers[l], l)) norms[name] = norm;
            }
            IReadOnlyDictionary<string, float[]> tuned = Tune(source, tuning, matrices, norms, progress, cancellation);
            progress("writing", 1);
            Write(path, matrices.ToDictionary(matrix => matrix.Tensor.Name), tuned, cancellation);
        }
        foreach (Checkpoint checkpoint in new[] { stream, source, tuning }) checkpoint.Delete();
        File.Delete(statePath);
    }

    private void QuantizeLayers(QuantizationState state, Checkpoint stream, Action<string, double> progress, CancellationToken cancellation)
    {
        int layers = _source.LayerCount;
        var rounder = new OperationRounder
        {
            PackingOf = _plan.PackingOf, Damping = _settings.Damping, Shrinkage = _settings.Shrinkage, Sweeps = _settings.Sweeps, Log = Log, Cancellation = cancellation,
        };
        LayerQuantizer quantizer = _source.NoPrograms is null ? new ProgramQuantizer(_source, _text, rounder) : new StepwiseQuantizer(_source, _text, rounder);
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
        progress("embedding", _work.Layers(layers));
        if (state.Layers.Count > layers) return;
        IEnumerable<string> heads = new[] { TensorTable.Embedding, TensorTable.Head }.Where(name => _plan.PackingOf(name) != Packing.None);
        state.Append(new QuantizedLayer([.. heads.Select(name => QuantizeHead(quantizer, name))], Norms: null));
    }

    private IReadOnlyDictionary<string, float[]> NormsOf(QuantizedLayer layer, int number) => layer.Norms ?? _source.ReadNorms(number);

    /// <summary>Embedding or head; one after the other, so that the floats of one of them are there at a time.</summary>
    private PackedMatrix QuantizeHead(LayerQuantizer quantizer, string name)
    {
        StageMemory.Return();
        float[] weights = _source.ReadMatrix(name);
        return name == _source.HeadName
            ? quantizer.QuantizeHead(name, weights)
            : MatrixQuantizer.Plain(name, weights, _source.Model.VocabularySize, new PackedLayout(_plan.PackingOf(name), _source.Model.Width));
    }

    /// <summary>Gives all norms by their tensors' names.</summary>
    private IReadOnlyDictionary<string, float[]> Tune(Checkpoint source, Checkpoint tuning, PackedMatrix[] matrices, IReadOnlyDictionary<string, float[]> norms, Action<string, double> progress, CancellationToken cancellation)
    {
        if (_settings.TuningEpochs == 0 || _source.NoPrograms is not null) return norms;
        StageMemory.Return();
        float[] sourceHidden = new float[_text.Tokens.Length * _source.Model.Width];
        if (source.TryLoad(_source.LayerCount, sourceHidden) is null)
        {
            _source.HiddenStates(_text, sourceHidden, layers => progress("source", _work.SourceLayers(layers)), cancellation);
            source.Save(_source.LayerCount, sourceHidden);
        }
        StageMemory.Return();
        var tuner = new ScaleTuner(_source, _text, matrices, norms, sourceHidden)
        {
            RowRate = _settings.RowRate,
            NormRate = _settings.NormRate,
            Epochs = _settings.TuningEpochs,
            Checkpoint = tuning,
            Progress = (step, steps) => progress($"tuning step {step} of {steps}", _work.Tuning(step / (double)steps)),
            Log = Log,
        };
        return tuner.Tune(cancellation);
    }

    private void Write(string path, Dictionary<string, PackedMatrix> matrices, IReadOnlyDictionary<string, float[]> norms, CancellationToken cancellation)
    {
        var writer = new PackedModelWriter(_plan, static _ => { }, cancellation);
        foreach (GgufTensor tensor in _plan.Tensors)
        {
            if (matrices.TryGetValue(tensor.Name, out PackedMatrix? matrix)) writer.AddPacked(matrix.Tensor, matrix.Write);
            else if (norms.TryGetValue(tensor.Name, out float[]? norm)) writer.AddVector(tensor, norm);
            else writer.AddCopy(tensor);
        }
        writer.Save(path,
        [
            ("edgellm.quantization.method", GgufValue.Of("error feedback on a calibration text, tuned scales")),
            ("edgellm.quantization.calibration.sha256", GgufValue.Of(_textHash)),
            ("edgellm.quantization.calibration.tokens", GgufValue.Of((uint)_text.Tokens.Length)),
        ]);
    }

    /// <summary>A hash of all that finished layers depend on.</summary>
    private byte[] Identity()
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(ModelIdentity.Of(_plan.File, IdentityFolder));
        // Field by field (how often to tune is not among them): a new property of the settings must not throw away hours of work by itself.
        var description = new StringBuilder();
        description.Append(CultureInfo.InvariantCulture, $"4 {ModelIdentity.Arithmetic} {_settings.WindowLength} {_settings.Windows} {_settings.Damping:R} ");
        description.Append(CultureInfo.InvariantCulture, $"{_settings.Shrinkage:R} {_settings.Sweeps} {_settings.RowRate:R} {_settings.NormRate:R}");
        foreach (GgufTensor tensor in _plan.Tensors) description.Append(CultureInfo.InvariantCulture, $"\n{tensor.Name} {_plan.PackingOf(tensor.Name)}");
        hash.AppendData(Encoding.UTF8.GetBytes(description.ToString()));
        hash.AppendData(MemoryMarshal.AsBytes(_text.Tokens));
        return hash.GetHashAndReset();
    }
}
