// The text of a recording, with times.   dotnet run --project samples/Transcription -c Release -- MODEL FILE.wav
// MODEL: a folder of Whisper or Moonshine as it is published, or what `edgellm quantize FOLDER OUT.gguf` makes of one. FILE: WAV or FLAC,
// of any length.
using EdgeLlm.Speech.Audio;
using EdgeLlm.Speech.Recognition;

if (args is not [var model, var file])
{
    Console.Error.WriteLine("usage: Transcription MODEL FILE.wav");
    return 2;
}
using SpeechRecognizer recognizer = SpeechRecognizer.Load(model);
using AudioReader recording = AudioReader.Open(file);
Transcript transcript =
    recognizer.Transcribe(recording.Read, take: segment => Console.WriteLine($"{segment.Start,7:F2} {segment.End,7:F2}  {segment.Text}"));
Console.WriteLine($"{transcript.Duration:F1} s, language {transcript.Language}");
return 0;
