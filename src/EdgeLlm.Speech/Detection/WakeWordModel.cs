using System.Text.Json;
using EdgeLlm.Files;
using EdgeLlm.Speech.Detection.TfLite;

namespace EdgeLlm.Speech.Detection;

/// <summary>Settings in the JSON beside a microWakeWord model (version 2, esphome.io/components/micro_wake_word).</summary>
/// <param name="Word">The words that wake, such as "Okay Nabu".</param>
/// <param name="ModelFile">Name of the TensorFlow Lite file in the same folder.</param>
/// <param name="Cutoff">Mean probability, 0 to 1, above which the word was said.</param>
/// <param name="Window">Inferences of the mean.</param>
/// <param name="Languages">Languages it was trained with.</param>
/// <param name="Author">Who made it; empty where it does not say.</param>
/// <param name="Website">Where to read more; empty where it does not say.</param>
internal sealed record WakeWordSettings(string Word, string ModelFile, double Cutoff, int Window, IReadOnlyList<string> Languages,
    string Author, string Website)
{
    private const int MostBytes = 1 << 16, MostWindow = 1000, StepMilliseconds = 10;

    /// <summary>Whether it hears any speech: microWakeWord has such a model in the form of its wake words, with the word "vad".</summary>
    public bool IsVoiceActivity => Word.Equals("vad", StringComparison.OrdinalIgnoreCase);

    /// <summary>Reads the file.</summary>
    /// <exception cref="FileException">It can't be read, or a field is missing or wrong; the message names it.</exception>
    public static WakeWordSettings Read(string path)
    {
        try
        {
            using JsonDocument json = JsonDocument.Parse(InputFile.Read(path, MostBytes));
            JsonElement root = json.RootElement, micro = Field(root, "micro", JsonValueKind.Object);
            if (Text(root, "type") != "micro")
                throw new InvalidDataException("the field 'type' must be \"micro\": it is not a wake word of microWakeWord");
            int version = (int)Number(root, "version", 0, 1000);
            if (version != 2) throw new InvalidDataException($"is of version {version}; 2 is read");
            if (Number(micro, "feature_step_size", 1, 1000) != StepMilliseconds)
                throw new InvalidDataException($"the field 'feature_step_size' must be {StepMilliseconds}");
            string model = Text(root, "model");
            if (model.Length == 0 || model != Path.GetFileName(model) || model is "." or "..")
                throw new InvalidDataException("the field 'model' must be a file's name in the same folder");
            string[] languages = root.TryGetProperty("trained_languages", out JsonElement list) && list.ValueKind == JsonValueKind.Array
                ? [.. list.EnumerateArray().Where(item => item.ValueKind == JsonValueKind.String).Select(item => item.GetString()!)] : [];
            return new WakeWordSettings(Text(root, "wake_word"), model, Number(micro, "probability_cutoff", 0, 1),
                (int)Number(micro, "sliding_window_size", 1, MostWindow), languages,
                Optional(root, "author"), Optional(root, "website"));
        }
        catch (JsonException)
        {
            throw new FileException(path, "is not JSON");
        }
        catch (InvalidDataException exception)
        {
            throw new FileException(path, exception.Message);
        }
    }

    private static JsonElement Field(JsonElement json, string name, JsonValueKind kind) =>
        json.ValueKind == JsonValueKind.Object && json.TryGetProperty(name, out JsonElement value) && value.ValueKind == kind ? value
            : throw new InvalidDataException($"the field '{name}' is missing or not a {kind.ToString().ToLowerInvariant()}");

    private static string Text(JsonElement json, string name) => Field(json, name, JsonValueKind.String).GetString()!;

    private static string Optional(JsonElement json, string name) =>
        json.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.String ? value.GetString()! : "";

    private static double Number(JsonElement json, string name, double least, double most) =>
        Field(json, name, JsonValueKind.Number).TryGetDouble(out double value) && value >= least && value <= most ? value
            : throw new InvalidDataException($"the field '{name}' must be a number from {least} to {most}");
}

/// <summary>
/// A streaming model of microWakeWord (github.com/kahrendt/microWakeWord): each inference takes a few frames of <see cref="MicroFrontEnd"/>
/// and gives the probability, in 256ths, that its word was just said. Not safe for several threads at once.
/// </summary>
internal sealed class WakeWordModel
{
    private const int MostModelBytes = 16 << 20, MostStride = 100;

    // Features as the models were trained: a 25.6th part of what the front end gives.
    private const float FeatureScale = 0.0390625f;

    private readonly TfLiteProgram program;
    private readonly sbyte[] input, output;
    private readonly sbyte[] quantized; // of each feature
    private readonly int[] window; // the last inferences
    private int frames, inferences, sum;

    private WakeWordModel(WakeWordSettings settings, ReadOnlyMemory<byte> file)
    {
        Settings = settings;
        program = new TfLiteProgram(file);
        if (program.Inputs
            is not [
            {
                Type: TfLiteType.Int8, IsConstant: false,
                Shape: [1, > 0 and <= MostStride and var stride, MicroFrontEnd.Features]
            } features]
            || program.Outputs is not [{ Type: TfLiteType.UInt8, Count: 1, Scale: 1f / 256, ZeroPoint: 0 } result])
            throw new InvalidDataException("has other inputs and results than a wake word of microWakeWord");
        (Stride, input, output) = (stride, features.Bytes, result.Bytes);
        quantized = new sbyte[ushort.MaxValue + 1];
        for (int feature = 0; feature < quantized.Length; feature++)
            quantized[feature] = (sbyte)Math.Clamp(Math.Round((double)(feature * FeatureScale / features.Scale + features.ZeroPoint)),
                sbyte.MinValue, sbyte.MaxValue);
        window = new int[settings.Window];
    }

    /// <summary>Settings of its JSON.</summary>
    public WakeWordSettings Settings { get; }

    /// <summary>Frames that an inference takes.</summary>
    public int Stride { get; }

    /// <summary>Inferences so far.</summary>
    public int Inferences => inferences;

    /// <summary>The last inference's result, in 256ths.</summary>
    public int Probability => (byte)output[0];

    /// <summary>Whether the mean of the last inferences is above the cutoff, and there are as many as it takes.</summary>
    public bool IsAboveCutoff => inferences >= window.Length && sum > Settings.Cutoff * 256 * window.Length;

    /// <summary>Reads a model from its JSON, or from a TensorFlow Lite file with its JSON beside it.</summary>
    /// <exception cref="FileException">A file can't be read, is damaged, or needs an operator that is not known here; the message names
    /// it.</exception>
    public static WakeWordModel Load(string path)
    {
        string json = path.EndsWith(".tflite", StringComparison.OrdinalIgnoreCase) ? Path.ChangeExtension(path, ".json") : path;
        WakeWordSettings settings = WakeWordSettings.Read(json);
        string model = Path.Combine(Path.GetDirectoryName(json) ?? "", settings.ModelFile);
        return Read(settings, InputFile.Read(model, MostModelBytes), model);
    }

    /// <summary>Reads a model from a file's bytes.</summary>
    /// <exception cref="FileException">They are damaged, or need an operator that is not known here; the message names it.</exception>
    public static WakeWordModel Read(WakeWordSettings settings, ReadOnlyMemory<byte> file, string name)
    {
        try
        {
            return new WakeWordModel(settings, file);
        }
        catch (InvalidDataException exception)
        {
            throw new FileException(name, exception.Message, exception);
        }
    }

    /// <summary>Takes a frame; true where that was an inference.</summary>
    public bool Add(ReadOnlySpan<ushort> features)
    {
        int at = frames * MicroFrontEnd.Features;
        for (int i = 0; i < MicroFrontEnd.Features; i++) input[at + i] = quantized[features[i]];
        if (++frames < Stride) return false;
        frames = 0;
        program.Run();
        ref int oldest = ref window[inferences++ % window.Length];
        sum += Probability - oldest;
        oldest = Probability;
        return true;
    }

    /// <summary>Forgets the sound so far.</summary>
    public void Reset()
    {
        program.Reset();
        (frames, inferences, sum) = (0, 0, 0);
        Array.Clear(window);
    }
}

/// <summary>microWakeWord's own model of voice activity: one inference each few frames, each window's probability the last one's.</summary>
/// <param name="model">The model.</param>
internal sealed class MicroSpeechDetector(WakeWordModel model) : SpeechDetector
{
    private readonly MicroFrontEnd frontEnd = new();
    private readonly short[] samples = new short[MicroFrontEnd.StepSamples * model.Stride];
    private readonly ushort[] features = new ushort[MicroFrontEnd.Features];

    public override int SampleRate => MicroFrontEnd.SampleRate;

    public override int WindowSamples => samples.Length;

    public override float Next(ReadOnlySpan<float> window)
    {
        WakeWordListener.ToIntegers(window, samples);
        for (int at = 0; at < samples.Length;)
        {
            at += frontEnd.Take(samples.AsSpan(at), features, out bool isFrame);
            if (isFrame) model.Add(features);
        }
        return model.Inferences == 0 ? 0 : model.Probability / 256f;
    }

    public override void Reset()
    {
        frontEnd.Reset();
        model.Reset();
    }
}
