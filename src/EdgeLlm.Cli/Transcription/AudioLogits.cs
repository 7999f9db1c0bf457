using EdgeLlm.Cli.Evaluation;
using EdgeLlm.Files;
using EdgeLlm.Speech.Audio;
using EdgeLlm.Speech.Recognition;

namespace EdgeLlm.Cli.Transcription;

/// <summary>`edgellm logits --audio`: what a model that hears computes of a recording, stage by stage, and of the decoder's ids.</summary>
internal static class AudioLogits
{
    private const int MostSamples = 120 * AudioReader.SpeechRate;

    public static void Compute(string path, SpeechOptions options, string audioFile, string idsFile, string outputFile,
        CancellationToken cancellation)
    {
        OutputFile.Require(outputFile, force: true, [.. Directory.Exists(path) ? Directory.GetFiles(path) : [path], audioFile, idsFile]);
        int[][] prompts = [.. TokenIds.ReadPrompts(idsFile).Select(prompt => prompt.Ids)];
        float[] samples;
        using (AudioReader audio = AudioReader.Open(audioFile))
            samples = audio.ReadToEnd(MostSamples)
                ?? throw new FileException(audioFile, $"has more than {MostSamples / AudioReader.SpeechRate} seconds");
        List<StageValues> stages;
        try
        {
            stages = NetworkStages.Of(path, options, samples, prompts, cancellation);
        }
        catch (ArgumentException exception)
        {
            throw new InvalidDataException(exception.Message);
        }
        AtomicFile.Write(outputFile, file =>
        {
            var tensors = new SafetensorsWriter(file, stages.Select(stage => (stage.Name, stage.Rows, stage.Columns)));
            foreach (StageValues stage in stages)
            {
                tensors.Write(stage.Values);
                var hash = new LogitsHash();
                hash.Append(stage.Values);
                Console.WriteLine($"{stage.Name} {stage.Rows} {hash.Value:x16}");
            }
        });
    }
}
