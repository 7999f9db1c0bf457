using EdgeLlm.Files;
using EdgeLlm.Kernels;
using EdgeLlm.Speech.Detection.Onnx;

namespace EdgeLlm.Speech.Detection;

/// <summary>Says of each window of sound how likely it is that somebody speaks in it. Not safe for several threads at once.</summary>
internal abstract class SpeechDetector
{
    /// <summary>Samples a second that it hears.</summary>
    public abstract int SampleRate { get; }

    /// <summary>Samples of a window.</summary>
    public abstract int WindowSamples { get; }

    /// <summary>The probability, from 0 to 1, of speech in the next window, which knows those before it.</summary>
    /// <param name="window">[<see cref="WindowSamples"/>] samples, full scale 1.</param>
    public abstract float Next(ReadOnlySpan<float> window);

    /// <summary>Forgets the sound so far.</summary>
    public abstract void Reset();
}

/// <summary>
/// Silero's voice activity detector, versions 5 and 6 (github.com/snakers4/silero-vad): windows of 32 ms, each with the last 64 samples
/// before it (32 at 8 kHz), and the state of a recurrent layer.
/// </summary>
internal sealed class SileroDetector : SpeechDetector
{
    private const int MostFileBytes = 64 << 20, StateWidth = 128;

    private readonly OnnxProgram program;
    private readonly float[] input, state, probability, newState;
    private readonly int context;

    private SileroDetector(OnnxGraph graph, int sampleRate, Kernel kernel)
    {
        SampleRate = sampleRate;
        (WindowSamples, context) = sampleRate == 16000 ? (512, 64) : (256, 32);
        OnnxValue sound = OnnxValue.Result(1, context + WindowSamples), before = OnnxValue.Result(2, 1, StateWidth);
        var inputs = new Dictionary<string, OnnxValue> { ["input"] = sound, ["state"] = before, ["sr"] = OnnxValue.Scalar(sampleRate) };
        program = new OnnxProgram(graph, inputs, kernel);
        if (program.Outputs is not [{ Floats: { Length: 1 } result, IsConstant: false },
            { Floats: { Length: 2 * StateWidth } after, IsConstant: false }])
            throw new InvalidDataException("has other results than a probability and a state: it is not a Silero model of version 5 or 6");
        (input, state, probability, newState) = (sound.Floats!, before.Floats!, result, after);
    }

    public override int SampleRate { get; }

    public override int WindowSamples { get; }

    /// <summary>Whether a file begins like an ONNX model: its version, a small number, as the first field.</summary>
    public static bool Recognizes(ReadOnlySpan<byte> start) => start.Length >= 4 && start[0] == 8 && start[1] is > 0 and < 32;

    /// <summary>Reads a model.</summary>
    /// <param name="path">Silero's ONNX file.</param>
    /// <param name="sampleRate">16000 or 8000.</param>
    /// <param name="kernel">What multiplies; null: the best.</param>
    /// <exception cref="FileException">It can't be read, is damaged, or needs an operator that is not known here; the message names
    /// it.</exception>
    public static SileroDetector Load(string path, int sampleRate = 16000, Kernel? kernel = null) =>
        Read(InputFile.Read(path, MostFileBytes), path, sampleRate, kernel);

    /// <summary>Reads a model from a file's bytes.</summary>
    /// <exception cref="FileException">They are damaged, or need an operator that is not known here; the message names it.</exception>
    public static SileroDetector Read(ReadOnlyMemory<byte> file, string name, int sampleRate = 16000, Kernel? kernel = null)
    {
        if (sampleRate is not (16000 or 8000))
            throw new ArgumentException($"Silero's models hear 16000 or 8000 samples a second, not {sampleRate}");
        try
        {
            return new SileroDetector(OnnxGraph.Read(file), sampleRate, kernel ?? Kernel.Best);
        }
        catch (InvalidDataException exception)
        {
            throw new FileException(name, exception.Message, exception);
        }
    }

    public override float Next(ReadOnlySpan<float> window)
    {
        window.CopyTo(input.AsSpan(context));
        program.Run();
        input.AsSpan(WindowSamples).CopyTo(input); // the last samples come before the next window
        newState.CopyTo(state);
        return probability[0];
    }

    public override void Reset()
    {
        Array.Clear(input);
        Array.Clear(state);
    }
}
