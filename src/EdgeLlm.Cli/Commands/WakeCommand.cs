using System.CommandLine;
using System.Globalization;
using EdgeLlm.Cli.Output;
using EdgeLlm.Files;
using EdgeLlm.Speech.Audio;
using EdgeLlm.Speech.Detection;

namespace EdgeLlm.Cli.Commands;

/// <summary>`edgellm wake`: where wake words are said in a recording.</summary>
internal static class WakeCommand
{
    public static Command Create()
    {
        Argument<string> file = SoundFile.Argument();
        var models = new Option<string[]>("--model", "-m")
        {
            Description =
                "A wake word of microWakeWord: its JSON or TensorFlow Lite file, or the name of one on this machine; may be there "
                    + "several times (default: all on this machine)",
            HelpName = "MODEL",
        };
        var json = new Option<bool>("--json") { Description = "Every inference's result in 256ths, and each detection, as JSON" };
        var command = new Command("wake",
            "Show where wake words are said in a recording: a line a word, its time in seconds.") { file, models, json };
        command.SetAction((result, cancellation) =>
        {
            string[] words = result.GetValue(models) is { Length: > 0 } named ? named : [.. DetectorStore.WakeWords()];
            if (words.Length == 0)
                throw new UsageException("no wake word is on this machine: `edgellm pull FILE.json` takes one of microWakeWord with its "
                    + ".tflite beside it, --model names a file elsewhere");
            return Task.Run(() => Run(result.GetValue(file)!, words, result.GetValue(json), cancellation), cancellation);
        });
        return command;
    }

    private static void Run(string file, string[] names, bool isJson, CancellationToken cancellation)
    {
        WakeWordModel[] models = [.. names.Select(DetectorStore.OpenWakeWord)];
        using AudioReader reader = SoundFile.Open(file, _ => MicroFrontEnd.SampleRate);
        var listener = new WakeWordListener(models);
        List<int>[] results = [.. models.Select(_ => new List<int>())];
        List<WakeWordDetection>[] detections = [.. models.Select(_ => new List<WakeWordDetection>())];
        if (isJson) listener.Inferred = (word, result) => results[word].Add(result);
        float[] samples = new float[4096];
        for (int count; (count = reader.Read(samples)) > 0;)
        {
            cancellation.ThrowIfCancellationRequested();
            listener.Write(samples.AsSpan(0, count), detection =>
            {
                if (isJson) detections[detection.Word].Add(detection);
                else
                    Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                        $"{Seconds(detection):0.00} {Printable.Line(models[detection.Word].Settings.Word)}"));
            });
        }
        if (!isJson) return;
        JsonOutput.Write(json =>
        {
            json.WriteStartObject();
            if (models.Length == 1) WriteWord(0);
            else
            {
                json.WriteStartArray("words");
                for (int word = 0; word < models.Length; word++)
                {
                    json.WriteStartObject();
                    WriteWord(word);
                    json.WriteEndObject();
                }
                json.WriteEndArray();
            }
            json.WriteEndObject();

            void WriteWord(int word)
            {
                json.WriteString("word", models[word].Settings.Word);
                json.WriteNumber("stride", models[word].Stride);
                json.WriteArray("q", results[word], json.WriteNumberValue);
                json.WriteObjects("detected", detections[word], detection =>
                {
                    json.WriteNumber("inference", detection.Inference);
                    json.WriteNumber("frame", detection.Frame);
                    json.WriteNumber("samples", detection.Samples);
                    json.WriteNumber("seconds", Seconds(detection));
                });
            }
        });
    }

    private static double Seconds(WakeWordDetection detection) => detection.Samples / (double)MicroFrontEnd.SampleRate;
}
