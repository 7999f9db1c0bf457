using EdgeLlm.Kernels;
using EdgeLlm.Kernels.Scalar;
using EdgeLlm.Models;

namespace EdgeLlm.Speech.Synthesis;

/// <summary>How a sentence is to be spoken, as far as the network knows.</summary>
internal readonly record struct SentenceSettings()
{
    /// <summary>Factor of the tempo, 0.5 to 2.</summary>
    public float Speed { get; init; } = 1;

    /// <summary>Most steps of the first id, which is silence; 0: no limit.</summary>
    public int FirstDurationAtMost { get; init; }

    /// <summary>Steps of each id; null: the network's.</summary>
    public int[]? Durations { get; init; }

    /// <summary>
    /// Frames that are computed at a time, 1 to 64, of the first piece at most 42; the results are the same. Some processors multiply six
    /// rows at a time: of 60 and 42 none is left over.
    /// </summary>
    public int PieceFrames { get; init; } = 60;
}

/// <summary>
/// The network of a voice: ids of a sentence's phonemes -> frames of spectra, piece by piece. Durations are known at once; prosody (a step
/// is 25 ms) runs ahead of the decoder (a frame is 12.5 ms) as far as its windows reach.
/// </summary>
internal sealed unsafe class SentenceNetwork : IDisposable
{
    /// <summary>Most ids of a sentence, the pads among them.</summary>
    public const int MostIds = 512;

    private const int MostSteps = 8192; // 205 s
    private const int MostStepsOfAnId = 400; // 10 s
    private const int PieceSteps = 36;
    private const int FirstPieceFrames = 42; // the decoder looks 27 frames ahead: these give 15, after which there is something to hear
    private const int MostPieceFrames = 64;

    private readonly VoiceModel _model;
    private readonly VoiceMachine _machine;
    private readonly PhonemeEncoder _text, _prosodyText;
    private readonly ConvolutionStage _durations;
    private readonly DecoderInputStage _decoderInput; // the decoder's first stage
    private readonly WindowStage[] _prosody, _decoder;
    private readonly AlignedBuffer _rows;  // of either chain's input
    private readonly AlignedBuffer _frames; // [results][FrameWidth]
    private readonly AlignedBuffer _normed;

    private int[] _idOfStep = [];
    private float[] _f0 = [], _energy = [];
    private int _steps, _stepsIn, _stepsOut, _framesIn, _framesOut, _pieceFrames;

    public SentenceNetwork(VoiceModel model, VoiceMachine machine)
    {
        (_model, _machine) = (model, machine);
        (_text, _prosodyText) = (new PhonemeEncoder(machine, model.Text, MostIds), new PhonemeEncoder(machine, model.ProsodyText, MostIds));
        _durations = new ConvolutionStage(machine, model.DurationConvolution, 3, VoiceMachine.MostRows);
        _prosody = Chain(model.Prosody, PieceSteps, []);
        _decoderInput = new DecoderInputStage(machine, model.DecoderInput, MostPieceFrames);
        _decoder = Chain(model.Decoder, MostPieceFrames, [_decoderInput]);
        int results = _decoder[^1].MostResults;
        int widest = Math.Max(Math.Max(PieceSteps * model.ProsodyText.Width, 2 * MostPieceFrames),
            Math.Max(_prosody[^1].MostResults * 4, VoiceMachine.MostRows));
        _rows = new AlignedBuffer((long)widest * sizeof(float));
        _frames = new AlignedBuffer((long)results * VoiceModel.FrameWidth * sizeof(float));
        long mapped = (long)VoiceMachine.MostRows * model.ProsodyText.Width;
        _normed = new AlignedBuffer(Math.Max((long)results * model.Head.Columns, mapped) * sizeof(float));
    }

    /// <summary>Receives each stage's rows under the name that docs/speaking.md has, or null.</summary>
    public StageRecorder? Recorder { get; init; }

    /// <summary>Steps of 25 ms of each id.</summary>
    public int[] Durations { get; private set; } = [];

    /// <summary>Frames of the sentence.</summary>
    public int FrameCount => 2 * _steps;

    /// <summary>Frames whose spectra are computed.</summary>
    public int FramesDone => _framesOut;

    /// <summary>Pitch in Hz of the frames; known ahead of the spectra.</summary>
    public ReadOnlySpan<float> Pitch => _f0.AsSpan(0, FrameCount);

    /// <summary>The frames that the last call of <see cref="Next"/> computed [count][FrameWidth]; may be changed.</summary>
    public float* Frames => (float*)_frames.Start;

    /// <summary>Encodes a sentence and finds its durations.</summary>
    /// <exception cref="ArgumentException">There are too many ids, one is not the voice's, or durations are given that do not
    /// fit.</exception>
    /// <exception cref="NotFiniteException">The weights are damaged.</exception>
    public void Begin(ReadOnlySpan<int> ids, in SentenceSettings settings)
    {
        if (ids.Length is 0 or > MostIds) throw new ArgumentException($"a sentence has 1 to {MostIds} ids, not {ids.Length}");
        foreach (int id in ids)
        {
            if ((uint)id >= (uint)_model.Text.Vocabulary) throw new ArgumentException($"the voice has no sign number {id}");
        }
        if (settings.Durations is { } given && (given.Length != ids.Length || given.Any(steps => steps is < 1 or > MostStepsOfAnId)))
            throw new ArgumentException($"durations are one for each id, from 1 to {MostStepsOfAnId} steps");
        _pieceFrames = Math.Clamp(settings.PieceFrames, 1, MostPieceFrames);
        _text.Run(ids);
        _prosodyText.Run(ids);
        Durations = FindDurations(ids.Length, settings);
        _steps = Durations.Sum();
        if (_steps > MostSteps) throw new ArgumentException($"a sentence of {_steps * 25 / 1000} seconds is too long; split it");
        _idOfStep = new int[_steps];
        for (int id = 0, step = 0; id < ids.Length; id++)
        {
            _idOfStep.AsSpan(step, Durations[id]).Fill(id);
            step += Durations[id];
        }
        (_f0, _energy) = (new float[FrameCount], new float[FrameCount]);
        (_stepsIn, _stepsOut, _framesIn, _framesOut) = (0, 0, 0, 0);
        foreach (WindowStage stage in _prosody) stage.Begin();
        foreach (WindowStage stage in _decoder) stage.Begin();
        _decoderInput.Begin(_text.Output, ids.Length, _idOfStep);
        Recorder?.Add("text", _text.Output, ids.Length, _text.Width);
        Recorder?.Add("prosody_text", _prosodyText.Output, ids.Length, _prosodyText.Width);
        MapProsody(ids.Length);
    }

    /// <summary>Computes the next frames, and says how many; 0 where the sentence ends.</summary>
    /// <exception cref="NotFiniteException">The weights are damaged.</exception>
    public int Next()
    {
        while (_framesOut < FrameCount)
        {
            int wanted = _framesIn == 0 ? Math.Min(FirstPieceFrames, _pieceFrames) : _pieceFrames;
            int count = Math.Min(wanted, 2 * _stepsOut - _framesIn);
            if (count < wanted && _stepsIn < _steps) AddSteps();
            else if (AddFrames(count) is > 0 and var results) return results;
        }
        return 0;
    }

    public void Dispose()
    {
        _text.Dispose();
        _prosodyText.Dispose();
        _durations.Dispose();
        foreach (WindowStage stage in _prosody.Concat(_decoder)) stage.Dispose();
        _rows.Dispose();
        _frames.Dispose();
        _normed.Dispose();
    }

    private WindowStage[] Chain(BlockWeights[] blocks, int mostRows, List<WindowStage> stages)
    {
        foreach (BlockWeights block in blocks)
            stages.Add(new BlockStage(_machine, block, stages.Count == 0 ? mostRows : stages[^1].MostResults));
        return [.. stages];
    }

    private int[] FindDurations(int count, in SentenceSettings settings)
    {
        int width = _prosodyText.Width, done = 0;
        int[] durations = new int[count];
        float[] raw = new float[count];
        float* logarithms = (float*)_rows.Start;
        _durations.Begin();
        for (int first = 0; first < count; first += VoiceMachine.MostRows)
        {
            int rows = Math.Min(VoiceMachine.MostRows, count - first);
            int results = _durations.Push(_prosodyText.Output + (nint)first * width, rows, first + rows == count);
            for (int start = 0; start < results; start += VoiceMachine.MostRows)
            {
                int part = Math.Min(VoiceMachine.MostRows, results - start);
                float* hidden = _durations.Output + (nint)start * width;
                _machine.Kernel.Activate(Activation.Gelu, hidden, null, part * width);
                _machine.Multiply(_model.DurationOutput, hidden, width, part, logarithms);
                Recorder?.Add("log_duration", logarithms, part, 1);
                for (int i = 0; i < part; i++, done++)
                {
                    double steps = (Polynomials.Exp(Math.Min(logarithms[i], 700.0)) - 1) / settings.Speed;
                    raw[done] = (float)steps;
                    durations[done] = settings.Durations?[done]
                        ?? (int)Math.Clamp(double.IsNaN(steps) ? 1 : Math.Round(steps), 1, MostStepsOfAnId);
                }
            }
        }
        if (settings.FirstDurationAtMost > 0) durations[0] = Math.Min(durations[0], settings.FirstDurationAtMost);
        Recorder?.Add("raw_duration", raw, 1);
        Recorder?.Add("duration", Array.ConvertAll(durations, static steps => (float)steps), 1);
        return durations;
    }

    /// <summary>Maps the ids' rows to the input of prosody, in place: all steps of an id have one.</summary>
    private void MapProsody(int count)
    {
        int width = _prosodyText.Width;
        float* mapped = (float*)_normed.Start;
        for (int first = 0; first < count; first += VoiceMachine.MostRows)
        {
            int rows = Math.Min(VoiceMachine.MostRows, count - first);
            float* texts = _prosodyText.Output + (nint)first * width;
            _machine.Multiply(_model.ProsodyInput, texts, width, rows, mapped);
            new ReadOnlySpan<float>(mapped, rows * width).CopyTo(new Span<float>(texts, rows * width));
        }
    }

    /// <summary>Takes the next steps of prosody.</summary>
    private void AddSteps()
    {
        int width = _prosodyText.Width, count = Math.Min(PieceSteps, _steps - _stepsIn);
        float* rows = (float*)_rows.Start;
        for (int i = 0; i < count; i++)
            new ReadOnlySpan<float>(_prosodyText.Output + (nint)_idOfStep[_stepsIn + i] * width, width)
                .CopyTo(new Span<float>(rows + (nint)i * width, width));
        _stepsIn += count;
        int results = Push(_prosody, rows, count, _stepsIn == _steps, stage: null);
        if (results == 0) return;
        _machine.Multiply(_model.ProsodyOutput, _prosody[^1].Output, width, results, rows);
        for (int i = 0; i < results; i++, _stepsOut++)
        {
            float* values = rows + 4 * i;
            for (int half = 0; half < 2; half++)
                (_f0[2 * _stepsOut + half], _energy[2 * _stepsOut + half]) = (values[half] * 100, values[2 + half] * 5);
        }
        Recorder?.Add("f0", _f0.AsSpan(2 * (_stepsOut - results), 2 * results), 1);
        Recorder?.Add("energy", _energy.AsSpan(2 * (_stepsOut - results), 2 * results), 1);
    }

    /// <summary>Takes the next frames of the decoder.</summary>
    private int AddFrames(int count)
    {
        float* rows = (float*)_rows.Start;
        for (int i = 0; i < count; i++, _framesIn++)
        {
            rows[2 * i] = (float)Polynomials.Log(1.0 + Math.Max(_f0[_framesIn], 0)) / 5;
            rows[2 * i + 1] = _energy[_framesIn] / 5;
        }
        int results = Push(_decoder, rows, count, _framesIn == FrameCount, "dec_"), decoderWidth = _model.Head.Columns;
        if (results == 0) return 0;
        float* decoded = _decoder[^1].Output, normed = (float*)_normed.Start;
        _machine.Normalize(_model.DecoderNorm, decoded, normed, decoderWidth, results);
        _machine.Multiply(_model.Head, normed, decoderWidth, results, Frames);
        Recorder?.Add("head", Frames, results, VoiceModel.FrameWidth);
        _framesOut += results;
        return results;
    }

    /// <summary>Rows through all stages of a chain; the results are the last one's.</summary>
    private int Push(WindowStage[] stages, float* rows, int count, bool isLast, string? stage)
    {
        for (int i = 0; i < stages.Length; i++)
        {
            count = stages[i].Push(rows, count, isLast);
            rows = stages[i].Output;
            if (stage is not null) Recorder?.Add(i == 0 ? "dec_in" : $"{stage}{i - 1}", rows, count, stages[i].OutputWidth);
        }
        return count;
    }
}
