using EdgeLlm.Speech.Audio;

namespace EdgeLlm.Assistant.Tests.Voice;

/// <summary>Speech that is longer than the recognizer's window of 30 s.</summary>
public sealed class LongSpeechTests(VoiceModels models) : IClassFixture<VoiceModels>
{
    private const string Text =
        """
        The sky is blue because the human eye is capable of perceiving color. When light enters the eye, it is absorbed by the
        Earth's atmosphere, and the light is reflected back into the sky. The blue color is a result of the scattering of light
        by molecules in the atmosphere, which is a process known as scattering. This scattering occurs because the sky is
        composed of a mixture of air molecules, which scatter light in all directions. The human eye is capable of perceiving
        color because it is a combination of the human brain's ability to perceive color and the brain's ability to process
        color information. The human eye is able to perceive a wide range of colors, from red to blue, and the human brain is
        able to process this information in a way that allows us to perceive color. The blue color is also a result of the
        Earth's atmosphere, which is composed of a mixture of gases that absorb and reflect different wavelengths of light. The
        blue color is a result of the scattering of light by molecules in the atmosphere, which is a process that occurs because
        of the Earth's atmosphere's.
        """;

    [Fact]
    public async Task Words_at_the_edges_of_windows_are_heard()
    {
        var resampler = new Resampler(models.Speech.Voice!.Rate, AudioReader.SpeechRate);
        int count = 0;
        await foreach (ReadOnlyMemory<float> piece in models.Speech.Voice.Speak(Pieces(), TestContext.Current.CancellationToken))
        {
            resampler.Write(piece.Span);
            count += piece.Length;
        }
        resampler.End();
        float[] samples = new float[resampler.OutputLength(count)];
        samples = samples[..resampler.Read(samples)];
        Assert.True(samples.Length > 30 * AudioReader.SpeechRate);
        string heard = await models.Speech.Recognize!(samples, "en", TestContext.Current.CancellationToken);
        string[] wanted = Person.Words(Text);
        int errors = Person.Errors(wanted, Person.Words(heard));
        Assert.True(errors <= .1 * wanted.Length, $"{errors} of {wanted.Length} words differ: {heard}");
    }

    private static async IAsyncEnumerable<string> Pieces()
    {
        await Task.CompletedTask;
        yield return Text;
    }
}
