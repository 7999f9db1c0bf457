using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using EdgeLlm.Speech;
using EdgeLlm.Speech.Audio;
using EdgeLlm.Speech.Synthesis;
using Microsoft.Extensions.AI;

namespace EdgeLlm.Extensions.AI;

/// <summary>
/// An <see cref="ITextToSpeechClient"/> over a voice in this process. <see cref="TextToSpeechOptions.AudioFormat"/> is `wav` (default),
/// `flac` or `pcm` (16 bits, little-endian,
/// 24 kHz, one channel), or their media types; <see cref="TextToSpeechOptions.Speed"/> 0.5 to 2; <see cref="TextToSpeechOptions.Volume"/> 0
/// to 4.
/// </summary>
[Experimental("MEAI001")]
public sealed class EdgeLlmTextToSpeechClient : ITextToSpeechClient
{
    private readonly SpeechSynthesizer _synthesizer;
    private readonly TextToSpeechClientMetadata _metadata;

    /// <param name="synthesizer">The voice, which the client does not dispose of.</param>
    public EdgeLlmTextToSpeechClient(SpeechSynthesizer synthesizer)
    {
        ArgumentNullException.ThrowIfNull(synthesizer);
        _synthesizer = synthesizer;
        _metadata = new TextToSpeechClientMetadata("edgellm", defaultModelId: synthesizer.Name);
    }

    /// <summary>The whole text as one file.</summary>
    /// <exception cref="ArgumentException">Another model, voice, language or pitch is named, or an option is out of its range.</exception>
    public async Task<TextToSpeechResponse> GetAudioAsync(string text, TextToSpeechOptions? options = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(text);
        string format = FormatOf(options);
        SpeechOptions wanted = OptionsOf(options);
        using var bytes = new MemoryStream();
        using var writer = new SoundWriter(format, bytes, _synthesizer.SampleRate);
        await foreach (ReadOnlyMemory<float> samples in _synthesizer.SynthesizeAsync(text, wanted, cancellationToken).ConfigureAwait(false))
            writer.Write(samples.Span);
        writer.Finish();
        return new TextToSpeechResponse([new DataContent(bytes.ToArray(), MediaTypeOf(format))]) { ModelId = _synthesizer.Name };
    }

    /// <summary>The sound while it is made: the pieces' bytes, one after the other, are one file.</summary>
    /// <exception cref="ArgumentException">As of <see cref="GetAudioAsync"/>.</exception>
    public async IAsyncEnumerable<TextToSpeechResponseUpdate> GetStreamingAudioAsync(
        string text, TextToSpeechOptions? options = null, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(text);
        string format = FormatOf(options);
        SpeechOptions wanted = OptionsOf(options);
        using var bytes = new PieceStream();
        using var writer = new SoundWriter(format, bytes, _synthesizer.SampleRate);
        await foreach (ReadOnlyMemory<float> samples in _synthesizer.SynthesizeAsync(text, wanted, cancellationToken).ConfigureAwait(false))
        {
            writer.Write(samples.Span);
            if (bytes.Length > 0) yield return Update(bytes.Take());
        }
        writer.Finish();
        if (bytes.Length > 0) yield return Update(bytes.Take());

        TextToSpeechResponseUpdate Update(byte[] piece) =>
            new([new DataContent(piece, MediaTypeOf(format))])
            {
                Kind = TextToSpeechResponseUpdateKind.AudioUpdating,
                ModelId = _synthesizer.Name
            };
    }

    /// <inheritdoc/>
    public object? GetService(Type serviceType, object? serviceKey = null) =>
        ClientServices.Find(serviceType, serviceKey, this, _metadata, _synthesizer);

    /// <summary>Nothing: the voice is the caller's.</summary>
    public void Dispose()
    {
    }

    private static string FormatOf(TextToSpeechOptions? options) => options?.AudioFormat?.ToLowerInvariant() switch
    {
        null or "" or "wav" or "audio/wav" or "audio/x-wav" => "wav",
        "flac" or "audio/flac" => "flac",
        "pcm" or "audio/pcm" => "pcm",
        { } other => throw new ArgumentException($"the format '{other}' is not made here; wav, flac and pcm are"),
    };

    private static string MediaTypeOf(string format) => "audio/" + format;

    private SpeechOptions OptionsOf(TextToSpeechOptions? options)
    {
        Unsupported.RefuseOtherModel(options?.ModelId, _synthesizer.Name);
        if (options?.VoiceId is { } voice && voice != _synthesizer.Name)
            throw new ArgumentException($"the voice here is '{_synthesizer.Name}', not '{voice}'");
        if (options?.Language is { Length: > 0 } language && _synthesizer.HasTempo
            && !language.Split('-')[0].Equals("en", StringComparison.OrdinalIgnoreCase))
            throw new ArgumentException($"the voice {_synthesizer.Name} speaks English, not '{language}'");
        if (options?.Pitch is not (null or 1))
            throw new ArgumentException($"the voice {_synthesizer.Name} has a pitch of its own: leave Pitch out");
        return new SpeechOptions { Speed = options?.Speed ?? 1, Volume = options?.Volume ?? 1 };
    }

    /// <summary>Samples to the bytes of a format.</summary>
    private sealed class SoundWriter(string format, Stream output, int sampleRate) : IDisposable
    {
        private readonly WavWriter? _wav = format == "wav" ? new WavWriter(output, sampleRate) : null;
        private readonly FlacWriter? _flac = format == "flac" ? new FlacWriter(output, sampleRate) : null;
        private byte[] _bytes = [];

        public void Write(ReadOnlySpan<float> samples)
        {
            _wav?.Write(samples);
            _flac?.Write(samples);
            if (format != "pcm") return;
            if (_bytes.Length < 2 * samples.Length) _bytes = new byte[2 * samples.Length];
            SamplesOf16Bits.Write(samples, _bytes);
            output.Write(_bytes.AsSpan(0, 2 * samples.Length));
        }

        public void Finish()
        {
            _wav?.Finish();
            _flac?.Finish();
        }

        public void Dispose() => _flac?.Dispose();
    }

    /// <summary>Bytes since they were last taken.</summary>
    private sealed class PieceStream : MemoryStream
    {
        public override bool CanSeek => false;

        public byte[] Take()
        {
            byte[] bytes = ToArray();
            SetLength(0);
            return bytes;
        }
    }
}
