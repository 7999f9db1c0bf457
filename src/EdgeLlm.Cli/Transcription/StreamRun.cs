using EdgeLlm.Cli.Output;
using EdgeLlm.Speech.Audio;
using EdgeLlm.Speech.Recognition;

namespace EdgeLlm.Cli.Transcription;

/// <summary>`edgellm transcribe --stream`: text while the sound comes.</summary>
internal static class StreamRun
{
    /// <param name="isLive">Leave passes out that there is no time for.</param>
    /// <param name="asJson">An object a line: agreed, tentative, seconds.</param>
    public static void Run(AudioReader audio, SpeechRecognizer recognizer, TranscriptionOptions options, bool isLive, bool asJson,
        CancellationToken cancellation)
    {
        SpeechStream stream = recognizer.StartStream(options, isLive);
        using Stream output = StandardStreams.OpenOutput();
        var shown = new ShownText();
        foreach (float[] samples in isLive ? SoundPieces.Arriving(audio, cancellation) : SoundPieces.Of(audio))
            stream.Add(samples, Show, cancellation);
        double seconds = audio.Position / (double)AudioReader.SpeechRate;
        string text = stream.Finish(cancellation);
        if (asJson) WriteLine(output, new StreamUpdate(text, "", seconds));
        else shown.End(text);
        if (stream.SkippedPasses > 0)
            Console.Error.WriteLine($"edgellm: {stream.SkippedPasses} passes were left out: this machine was too slow for them");

        void Show(StreamUpdate update)
        {
            if (asJson) WriteLine(output, update);
            else shown.Update(update);
        }
    }

    private static void WriteLine(Stream output, StreamUpdate update) => JsonOutput.WriteLine(output, json =>
    {
        json.WriteString("agreed", update.Agreed);
        json.WriteString("tentative", update.Tentative);
        json.WriteNumber("seconds", update.Seconds);
    });

    /// <summary>Agreed text as it grows; before a person also what is not agreed on yet, in grey.</summary>
    private sealed class ShownText
    {
        private const string Forget = "\e[0J", Grey = "\e[90m", Plain = "\e[0m", Save = "\e7", Restore = "\e8";

        private readonly bool _hasPerson = StandardStreams.HasPersonOut();
        private string _agreed = "";

        public void Update(StreamUpdate update)
        {
            Grow(update.Agreed);
            if (_hasPerson) Console.Write($"{Save}{Grey}{Printable.Line(update.Tentative)}{Plain}{Restore}");
        }

        public void End(string text)
        {
            Grow(text);
            Console.WriteLine();
        }

        private void Grow(string text)
        {
            if (_hasPerson) Console.Write(Forget);
            if (!text.StartsWith(_agreed, StringComparison.Ordinal)) return;
            Console.Write(Printable.Line(text[_agreed.Length..]));
            _agreed = text;
        }
    }
}
