using EdgeLlm.Fuzz.Inputs;
using EdgeLlm.Speech.Audio;
using EdgeLlm.Speech.Detection;

namespace EdgeLlm.Fuzz.Targets;

/// <summary>
/// Sound files, and models of voice activity and wake words: opened, and some sound heard. What refuses them is a FileException.
/// </summary>
internal static class HearingTargets
{
    private const int MostSamples = 1 << 20;

    private static readonly Lazy<byte[][]> Sounds = new(() =>
    [
        Wav(1, 2, 16), Wav(2, 6, 24), Wav(1, 4, 32, isFloat: true), Wav(3, 3, 8, isExtensible: true),
        Flac(16_000, i => MathF.Sin(i * .05f)), Flac(44_100, i => i % 3000 < 2000 ? 0 : i * 7919 % 1000 / 1000f),
    ]);

    private static readonly Lazy<byte[]> Silero = new(TinyOnnx.ToArray);

    private static readonly Lazy<byte[]?> WakeWord = new(() =>
    {
        // The only model in TensorFlow Lite's format is beside the project.
        string? root = AppContext.BaseDirectory;
        while (root is not null && !File.Exists(Path.Combine(root, "EdgeLlm.sln"))) root = Path.GetDirectoryName(root);
        string file = Path.Combine(root ?? "", "..", "shared", "models", "speech", "vad.tflite");
        return File.Exists(file) ? File.ReadAllBytes(file) : null;
    });

    public static string? RunSound(FuzzCase current)
    {
        byte[] bytes = Mutate(current.Dice, current.Dice.Of(Sounds.Value));
        current.Begin(bytes.Length);
        using AudioReader reader = AudioReader.Open(new MemoryStream(bytes), "mutant");
        float[] samples = new float[4096];
        for (int count; reader.Position < MostSamples && (count = reader.Read(samples)) > 0;)
        {
            foreach (float sample in samples.AsSpan(0, count))
            {
                if (!(sample is >= -1 and <= 1)) throw new WrongResultException($"a sample is {sample}");
            }
        }
        return null;
    }

    public static string? RunOnnx(FuzzCase current)
    {
        byte[] bytes = Mutate(current.Dice, Silero.Value);
        current.Begin(bytes.Length);
        var detector = SileroDetector.Read(bytes, "mutant", current.Dice.OneIn(2) ? 16000 : 8000);
        float[] window = new float[detector.WindowSamples];
        for (int i = 0; i < window.Length; i++) window[i] = MathF.Sin(i * .1f);
        for (int i = 0; i < 2; i++) detector.Next(window);
        return null;
    }

    public static string? RunTfLite(FuzzCase current)
    {
        if (WakeWord.Value is not { } sample) return "there is no ../shared";
        byte[] bytes = Mutate(current.Dice, sample);
        current.Begin(bytes.Length);
        var settings = new WakeWordSettings("mutant", "mutant.tflite", .5, 5, [], "", "");
        WakeWordModel model = WakeWordModel.Read(settings, bytes, "mutant");
        ushort[] features = new ushort[MicroFrontEnd.Features];
        for (int frame = 0; frame < 3 * model.Stride; frame++)
        {
            Array.Fill(features, (ushort)(200 * frame));
            model.Add(features);
        }
        return null;
    }

    private static byte[] Mutate(Dice dice, byte[] sample)
    {
        byte[] bytes = sample;
        for (int left = dice.Mutations(); left > 0; left--)
        {
            // Headers are a small part of most files.
            int head = dice.OneIn(2) ? Math.Min(bytes.Length, 256) : bytes.Length;
            bytes = [.. dice.Damage(bytes[..head]), .. bytes[head..]];
        }
        return bytes;
    }

    private static byte[] Wav(int channels, int frameBytes, int bits, bool isFloat = false, bool isExtensible = false)
    {
        using var file = new MemoryStream();
        using var writer = new BinaryWriter(file);
        byte[] data = new byte[frameBytes * 500];
        for (int i = 0; i < data.Length; i++) data[i] = (byte)(i * 31);
        int tag = isFloat ? 3 : 1, formatBytes = isExtensible ? 40 : 16;
        writer.Write("RIFF"u8);
        writer.Write(28 + formatBytes + data.Length);
        writer.Write("WAVELIST"u8);
        writer.Write(8);
        writer.Write(0L);
        writer.Write("fmt "u8);
        writer.Write(formatBytes);
        writer.Write((short)(isExtensible ? -2 : tag));
        writer.Write((short)channels);
        writer.Write(22_050);
        writer.Write(22_050 * frameBytes);
        writer.Write((short)frameBytes);
        writer.Write((short)bits);
        if (isExtensible)
        {
            writer.Write((short)22);
            writer.Write((short)bits);
            writer.Write(0);
            writer.Write((short)tag);
            writer.Write(new byte[14]);
        }
        writer.Write("data"u8);
        writer.Write(data.Length);
        writer.Write(data);
        return file.ToArray();
    }

    private static byte[] Flac(int rate, Func<int, float> sound)
    {
        using var file = new MemoryStream();
        using (var writer = new FlacWriter(file, rate))
        {
            writer.Write([.. Enumerable.Range(0, 5000).Select(sound)]);
            writer.Finish();
        }
        return file.ToArray();
    }
}
