using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using EdgeLlm.Kernels;
using EdgeLlm.Speech.Audio;
using EdgeLlm.Speech.Recognition;
using EdgeLlm.Speech.Synthesis;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;
using Whisper.net;

namespace EdgeLlm.SpeechPeers;

/// <summary>Times of our hearing and speaking beside those of the usual libraries, in turns; and texts that they hear.</summary>
internal static class Program
{
    private const string Usage = """
        speech-peers whisper OURS.gguf F16.bin Q8_0.bin RECORDING.wav [ROUNDS]   our recognizer beside whisper.cpp (Whisper.net), 2 threads: 30 s windows, the whole recording, 3 s, 3 s streamed
        speech-peers memory OURS.gguf|GGML.bin RECORDING.wav                     one of them alone: peak anonymous memory
        speech-peers hearing encode|all MODEL RECORDING.wav TIMES                front end and encoder, or all of hearing, so many times on one thread: to be counted
        speech-peers voice OURS.gguf VOICE-FOLDER G2P.jsonl [ROUNDS]             our voice's network beside ONNX Runtime on hibari.onnx, one thread
        speech-peers first OURS.gguf TEXT TIMES                                  from a text to the piece with the first sound at -40 dB of its peak, and all of it, on one thread: to be counted
        speech-peers hear MODEL FILE.wav ...                                     a line of text a file; MODEL: ours, or a ggml file for whisper.cpp
        """;

    public static int Main(string[] args)
    {
        CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
        switch (args)
        {
            case ["whisper", var ours, var f16, var q8, var recording, .. var rest]:
                Whisper(ours, f16, q8, recording, RoundsOf(rest)); return 0;
            case ["memory", var model, var recording]: Memory(model, recording); return 0;
            case ["hearing", var part, var model, var recording, .. var rest]: Hearing(part, model, recording, RoundsOf(rest)); return 0;
            case ["voice", var ours, var folder, var texts, .. var rest]: Voice(ours, folder, texts, RoundsOf(rest)); return 0;
            case ["first", var ours, var text, var times]: First(ours, text, RoundsOf([times])); return 0;
            case ["hear", var model, .. var files]: Hear(model, files); return 0;
            default: Console.Error.WriteLine(Usage); return 2;
        }
    }

    private static int RoundsOf(string[] rest) => rest is [var rounds, ..] ? int.Parse(rounds, CultureInfo.InvariantCulture) : 5;

    private static void Whisper(string ours, string f16, string q8, string recording, int rounds)
    {
        float[] all = Read(recording), window = all[..Math.Min(all.Length, 30 * 16_000)], short_ = all[..(3 * 16_000)];
        using SpeechRecognizer recognizer = SpeechRecognizer.Load(ours, new Speech.Recognition.SpeechOptions { Threads = 2 });
        using WhisperFactory half = WhisperFactory.FromPath(f16), eight = WhisperFactory.FromPath(q8);
        var full = new TranscriptionOptions { FullWindow = true, TemperatureStep = 0 };
        Compare("30 s, full window", rounds, () => recognizer.Transcribe(window, full), () => Peer(half, window),
            () => Peer(eight, window), 0.7);
        Compare($"{all.Length / 16_000.0:0} s, defaults", rounds, () => recognizer.Transcribe(all), () => Peer(half, all),
            () => Peer(eight, all), 0.5);
        Compare("3 s given whole", rounds, () => recognizer.Transcribe(short_), () => Peer(half, short_), () => Peer(eight, short_), 0.2);
        SpeechStream stream = recognizer.StartStream();
        // All but the last sample has come: the time is that from the last sample to the text.
        Compare("3 s streamed, from its last sample", rounds, () => Last(stream, short_), () => Peer(half, short_),
            () => Peer(eight, short_), 0.15, () => stream.Add(short_.AsSpan(..^1)));
    }

    private static void Last(SpeechStream stream, float[] samples)
    {
        stream.Add(samples.AsSpan(^1..));
        stream.Finish();
    }

    /// <summary>Medians of rounds in turns, and our time over the faster of theirs.</summary>
    private static void Compare(string what, int rounds, Action ours, Action half, Action eight, double bound, Action? before = null)
    {
        Action[] all = [ours, half, eight];
        double[][] times = [.. all.Select(_ => new double[rounds])];
        for (int round = -1; round < rounds; round++)
        {
            for (int i = 0; i < all.Length; i++)
            {
                if (i == 0) before?.Invoke();
                long start = Stopwatch.GetTimestamp();
                all[i]();
                if (round >= 0) times[i][round] = Stopwatch.GetElapsedTime(start).TotalMilliseconds; // the first warms up
            }
        }
        double[] medians = [.. times.Select(row => row.Order().ElementAt(rounds / 2))];
        Console.WriteLine(
            $"{what,-36} ours {medians[0],8:F1} ms   whisper.cpp F16 {medians[1],8:F1}  Q8_0 {medians[2],8:F1}   "
                + $"{medians[0] / Math.Min(medians[1], medians[2]):F3} x (at most {bound})");
    }

    private static string Peer(WhisperFactory factory, float[] samples)
    {
        using WhisperProcessor processor =
            factory.CreateBuilder().WithLanguage("en").WithThreads(Math.Min(2, Environment.ProcessorCount)).WithNoContext()
                .WithTemperature(0).WithTemperatureInc(0).Build();
        var text = new System.Text.StringBuilder();
        foreach (SegmentData segment in processor.ProcessAsync(samples).ToBlockingEnumerable()) text.Append(segment.Text);
        return text.ToString().Trim();
    }

    private static void Memory(string model, string recording)
    {
        float[] samples = Read(recording);
        long before = Anonymous(), peak = before;
        using var ended = new ManualResetEventSlim();
        // The system keeps no highest value of it: it is looked at while the model runs.
        var watcher = new Thread(() =>
        {
            while (!ended.Wait(1)) peak = Math.Max(peak, Anonymous());
        });
        watcher.Start();
        Hear(model, [recording]);
        ended.Set();
        watcher.Join();
        Console.WriteLine(
            $"anonymous memory: at most {(peak - before) / 1e6:F1} MB more than before, {samples.Length / 16_000.0:F1} s of sound");
    }

    /// <summary>What a short recording takes; the difference of two numbers of times is without the program's start.</summary>
    private static void Hearing(string part, string model, string recording, int times)
    {
        ReadOnlyMemory<float> samples = Read(recording);
        SpeechCompute compute = SpeechRecognizer.ComputeFor(new Speech.Recognition.SpeechOptions { Threads = 1 });
        WhisperModel whisper = SpeechRecognizer.Open(model, compute, file => new WhisperModel(file, compute));
        using var transcriber = new WhisperTranscriber(whisper);
        string text = "";
        int tokens = 0;
        for (int time = 0; time < (part == "all" ? times : 1); time++)
        {
            bool isRead = false;
            Transcript heard = transcriber.Transcribe(buffer =>
            {
                if (isRead) return 0;
                isRead = true;
                samples.Span.CopyTo(buffer);
                return samples.Length;
            }, new TranscriptionOptions(), null, null, CancellationToken.None);
            (text, tokens) = (heard.Text, heard.Segments.Sum(segment => segment.Tokens.Count));
        }
        int positions = whisper.Positions;
        if (part == "encode")
        {
            var logMel = new LogMel(whisper.Config.Bands, compute.Pool);
            float[] mel = new float[whisper.Config.Bands * 2 * positions];
            for (int time = 0; time < times; time++)
            {
                logMel.Compute(samples, 0, 2 * positions, mel);
                whisper.Encode(mel, 2 * positions, 0, CancellationToken.None);
            }
        }
        Console.WriteLine($"{part} {times} x, {positions} positions, {tokens} tokens: {text}");
    }

    private static long Anonymous()
    {
        foreach (string line in File.ReadLines("/proc/self/status"))
        {
            if (line.StartsWith("RssAnon", StringComparison.Ordinal))
                return 1024 * long.Parse(line.AsSpan(8, line.Length - 10).Trim(), CultureInfo.InvariantCulture);
        }
        throw new InvalidOperationException("this system does not say how much anonymous memory a process has");
    }

    private static void Voice(string ours, string folder, string texts, int rounds)
    {
        long[][] sentences = [.. File.ReadLines(texts).Take(60).SelectMany(Ids).Where(ids => ids.Length is > 8 and < 200).Take(30)];
        using VoiceModel model = VoiceModel.Open(ours);
        using var machine = new VoiceMachine(Kernel.Best, 1, model.WidestInput, floatActivations: false);
        using var network = new SentenceNetwork(model, machine);
        using var settings = new Microsoft.ML.OnnxRuntime.SessionOptions
        {
            IntraOpNumThreads = 1,
            InterOpNumThreads = 1,
            GraphOptimizationLevel = GraphOptimizationLevel.ORT_ENABLE_ALL,
        };
        using var session = new InferenceSession(Path.Combine(folder, "hibari.onnx"), settings);
        double[] own = new double[rounds], peer = new double[rounds];
        long frames = 0;
        for (int round = -1; round < rounds; round++)
        {
            long start = Stopwatch.GetTimestamp();
            frames = 0;
            foreach (long[] ids in sentences)
            {
                network.Begin([.. ids.Select(id => (int)id)], new SentenceSettings());
                while (network.Next() is > 0 and var count) frames += count;
            }
            double time = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
            if (round >= 0) own[round] = time;
            start = Stopwatch.GetTimestamp();
            foreach (long[] ids in sentences)
            {
                using IDisposableReadOnlyCollection<DisposableNamedOnnxValue> results =
                    session.Run([.. session.InputMetadata.Select(input => input.Value.ElementType == typeof(float)
                    ? NamedOnnxValue.CreateFromTensor(input.Key,
                        new DenseTensor<float>(new[] { 1f }, input.Value.Dimensions.Length == 0 ? [] : [1]))
                    : NamedOnnxValue.CreateFromTensor(input.Key, new DenseTensor<long>(ids, [1, ids.Length])))]);
            }
            time = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
            if (round >= 0) peer[round] = time;
        }
        double mine = own.Order().ElementAt(rounds / 2), theirs = peer.Order().ElementAt(rounds / 2),
            seconds = frames * VoiceModel.Hop / (double)VoiceModel.SampleRate;
        Console.WriteLine(
            $"network, {sentences.Length} sentences, {seconds:F1} s of sound: ours {mine:F0} ms ({mine / 1e3 / seconds:F4} of real "
                + $"time), ONNX Runtime {theirs:F0} ms, {mine / theirs:F2} x (at most 1)");
    }

    /// <summary>Speaks a text once, then so many times up to the first piece that is heard.</summary>
    private static void First(string ours, string text, int times)
    {
        using var voice = new NetworkVoice(ours, new Speech.VoiceOptions(), recorder: null);
        IEnumerable<ReadOnlyMemory<float>> Pieces() =>
            voice.Begin(new Speech.Synthesis.SpeechOptions()).Say(text, CancellationToken.None).ToBlockingEnumerable();
        float peak = 0;
        int samples = 0, silent = 0;
        foreach (ReadOnlyMemory<float> piece in Pieces())
        {
            foreach (float sample in piece.Span) peak = Math.Max(peak, Math.Abs(sample));
            samples += piece.Length;
        }
        long start = Stopwatch.GetTimestamp();
        for (int time = 0; time < times; time++)
        {
            silent = 0;
            foreach (ReadOnlyMemory<float> piece in Pieces())
            {
                int heard = 0;
                while (heard < piece.Length && Math.Abs(piece.Span[heard]) < peak / 100) heard++;
                silent += heard;
                if (heard < piece.Length) break;
            }
        }
        double milliseconds = times == 0 ? 0 : Stopwatch.GetElapsedTime(start).TotalMilliseconds / times;
        Console.WriteLine(
            $"{times} x: {milliseconds:F1} ms to the piece with the first sound, of which {silent / 24.0:F1} ms are silence before it; "
                + $"{samples / 24000.0:F2} s of sound");
    }

    private static IEnumerable<long[]> Ids(string line)
    {
        using var json = JsonDocument.Parse(line);
        return [.. json.RootElement.GetProperty("ids").EnumerateArray()
            .Select(ids => ids.EnumerateArray().Select(id => id.GetInt64()).ToArray())];
    }

    private static void Hear(string model, IReadOnlyList<string> files)
    {
        if (!model.EndsWith(".bin", StringComparison.Ordinal))
        {
            using SpeechRecognizer recognizer = SpeechRecognizer.Load(model, new Speech.Recognition.SpeechOptions { Threads = 2 });
            foreach (string file in files) Console.WriteLine(recognizer.Transcribe(Read(file)).Text);
            return;
        }
        using WhisperFactory factory = WhisperFactory.FromPath(model);
        foreach (string file in files) Console.WriteLine(Peer(factory, Read(file)));
    }

    private static float[] Read(string path)
    {
        using AudioReader reader = AudioReader.Open(path);
        return reader.ReadToEnd(2 * 3600 * AudioReader.SpeechRate) ?? throw new IOException($"{path} is longer than 2 hours");
    }
}
