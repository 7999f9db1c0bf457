// A model's answer as sound, while it is written.   dotnet run --project samples/Speaking -c Release -- VOICE OUT.wav ["QUESTION"]
// VOICE: what `edgellm quantize VOICE-FOLDER OUT.gguf` makes (docs/speaking.md), or the folder itself.
using EdgeLlm.Generation;
using EdgeLlm.Models;
using EdgeLlm.Speech;
using EdgeLlm.Speech.Synthesis;

if (args is not [var voice, var path, ..])
{
    Console.Error.WriteLine("usage: Speaking VOICE OUT.wav [\"QUESTION\"]");
    return 2;
}
using SpeechSynthesizer synthesizer = SpeechSynthesizer.Load(voice);
using LanguageModel model = LanguageModel.LoadDefault();
using var chat = new ChatSession(model, system: "Answer in one short sentence.");
IAsyncEnumerable<string> answer =
    chat.AskAsync(args.Length > 2 ? args[2] : "What is the capital of France?", new GenerationOptions { MaxTokens = 60 });

var samples = new List<short>();
await foreach (ReadOnlyMemory<float> piece in synthesizer.SpeakAsync(answer, new SpeechOptions { IsMarkdown = true }))
    foreach (float sample in piece.Span) samples.Add((short)MathF.Round(Math.Clamp(sample, -1, 1) * short.MaxValue));
WriteWav(path, samples, synthesizer.SampleRate);
Console.WriteLine($"{path}: {(double)samples.Count / synthesizer.SampleRate:F1} s");
return 0;

static void WriteWav(string path, List<short> samples, int rate)
{
    using var file = new BinaryWriter(File.Create(path));
    int bytes = samples.Count * sizeof(short);
    file.Write("RIFF"u8);
    file.Write(36 + bytes);
    file.Write("WAVEfmt "u8);
    file.Write(16); // of the format: PCM, one channel, 16 bits
    file.Write((short)1);
    file.Write((short)1);
    file.Write(rate);
    file.Write(rate * sizeof(short));
    file.Write((short)sizeof(short));
    file.Write((short)16);
    file.Write("data"u8);
    file.Write(bytes);
    foreach (short sample in samples) file.Write(sample);
}
