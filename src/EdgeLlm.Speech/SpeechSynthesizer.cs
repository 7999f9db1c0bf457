using System.Runtime.CompilerServices;
using System.Threading.Channels;
using EdgeLlm.Kernels;
using EdgeLlm.Speech.Phonemes;
using EdgeLlm.Speech.Synthesis;

namespace EdgeLlm.Speech;

/// <summary>How a voice is opened.</summary>
public sealed record VoiceOptions
{
    /// <summary>Threads that compute; one is faster than any voice speaks.</summary>
    public int Threads { get; init; } = 1;

    /// <summary>The kernel that computes, as `edgellm kernels` names them; null: the best for this processor.</summary>
    public string? Kernel { get; init; }

    /// <summary>Multiply with float activations: slower, and nearer to the voice as it was trained.</summary>
    public bool UsesFloatActivations { get; init; }
}

/// <summary>
/// Speaks: text -> sound, by a voice of `edgellm quantize`, in this process and without native libraries. The same text, options and seed give the same samples on every
/// machine. One text is spoken at a time; others wait.
/// </summary>
/// <example><code>
/// using var synthesizer = SpeechSynthesizer.Load("heart.gguf");
/// await foreach (ReadOnlyMemory&lt;float&gt; samples in synthesizer.SynthesizeAsync("The kitchen lights are on.")) Play(samples);
/// </code></example>
public sealed class SpeechSynthesizer : IDisposable
{
    // Some 3 s of sound: enough that the next sentence is there when one ends, little enough that a stop saves work.
    private const int PiecesAhead = 8;

    private readonly VoiceModel _model;
    private readonly Phonemizer _phonemizer;
    private readonly SentenceSynthesis _synthesis;
    private readonly SemaphoreSlim _turn = new(1);

    private SpeechSynthesizer(string path, VoiceOptions options, StageRecorder? recorder)
    {
        Kernel kernel = options.Kernel is { } name ? Kernel.Choose(name) : Kernel.Best;
        ArgumentOutOfRangeException.ThrowIfLessThan(options.Threads, 1);
        _model = VoiceModel.Open(path);
        try
        {
            _phonemizer = Phonemizer.Open(path);
            _synthesis = new SentenceSynthesis(_model, kernel, options.Threads, options.UsesFloatActivations, recorder);
            Name = Path.GetFileNameWithoutExtension(Path.TrimEndingDirectorySeparator(path));
        }
        catch
        {
            _phonemizer?.Dispose();
            _model.Dispose();
            throw;
        }
    }

    /// <summary>The voice's name: that of its file or folder.</summary>
    public string Name { get; }

    /// <summary>Samples a second: 24,000.</summary>
    public int SampleRate => VoiceModel.SampleRate;

    /// <summary>Opens a voice: a packed file, the folder of one, or the name of one on this machine; null: the first.</summary>
    /// <exception cref="IOException">There is no such voice, or it can't be read.</exception>
    /// <exception cref="ModelException">It is not a voice, or a damaged one.</exception>
    /// <exception cref="ArgumentException">This processor does not have the kernel, or the threads are not at least 1.</exception>
    public static SpeechSynthesizer Load(string? voice = null, VoiceOptions? options = null) => Load(voice, options, recorder: null);

    /// <param name="recorder">Gets every stage of the sound.</param>
    internal static SpeechSynthesizer Load(string? voice, VoiceOptions? options, StageRecorder? recorder) => new(VoiceStore.PathOf(voice), options ?? new VoiceOptions(), recorder);

    /// <summary>Speaks a text: samples from -1 to 1, a piece of some tenths of a second at a time, computed ahead of the caller by up to some seconds.</summary>
    /// <exception cref="ArgumentException">An option is out of its range.</exception>
    public IAsyncEnumerable<ReadOnlyMemory<float>> SynthesizeAsync(string text, SpeechOptions? options = null, CancellationToken cancellation = default)
    {
        options ??= new SpeechOptions();
        options.Check();
        return ComputeAheadAsync(output => SayAsync(Utterances(_phonemizer.Read(text), options), options, output, cancellation), cancellation);
    }

    /// <summary>Speaks phonemes of the voice, a line a sentence.</summary>
    /// <exception cref="ArgumentException">The voice does not have a sign, or a line is too long; the message says which.</exception>
    internal IAsyncEnumerable<ReadOnlyMemory<float>> SynthesizePhonemesAsync(string phonemes, SpeechOptions options, CancellationToken cancellation = default)
    {
        options.Check();
        List<Utterance> utterances = [.. phonemes.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)
            .Select(line => new Utterance(IdsOf(line), 1, options.SentencePause))];
        return ComputeAheadAsync(output => SayAsync(utterances, options, output, cancellation), cancellation);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _synthesis.Dispose();
        _phonemizer.Dispose();
        _model.Dispose();
        _turn.Dispose();
    }

    private int[] IdsOf(string phonemes)
    {
        foreach (char sign in phonemes)
        {
            if (!_phonemizer.Signs.Has(sign))
                throw new ArgumentException($"the voice has no sign for '{Printable.Line(sign.ToString())}' (U+{(int)sign:X4}); `edgellm phonemes TEXT` shows signs that it has");
        }
        int[] ids = _phonemizer.Signs.Ids(phonemes);
        return ids.Length <= SentenceNetwork.MostIds ? ids
            : throw new ArgumentException($"a sentence has {ids.Length - 2} phonemes, and {SentenceNetwork.MostIds - 2} is the most: give it in several lines");
    }

    private static IEnumerable<Utterance> Utterances(IEnumerable<SpokenSentence> sentences, SpeechOptions options)
    {
        foreach (SpokenSentence sentence in sentences)
        {
            double pause = sentence.Break ?? sentence.Pause switch
            {
                SpeechPause.Paragraph => options.ParagraphPause,
                SpeechPause.Sentence => options.SentencePause,
                _ => 0,
            };
            for (int i = 0; i < sentence.Pieces.Count; i++)
                yield return new Utterance(sentence.Pieces[i].Ids, sentence.Rate, i == sentence.Pieces.Count - 1 ? pause : 0);
        }
    }

    private async Task SayAsync(IEnumerable<Utterance> utterances, SpeechOptions options, ChannelWriter<ReadOnlyMemory<float>> output, CancellationToken cancellation)
    {
        var sound = new SpokenSound(_synthesis, options);
        foreach (ReadOnlyMemory<float> samples in utterances.SelectMany(sound.Say))
        {
            cancellation.ThrowIfCancellationRequested();
            await output.WriteAsync(samples, cancellation).ConfigureAwait(false);
        }
    }

    /// <summary>Computes on another thread, some pieces ahead; a reader that leaves ends it.</summary>
    private async IAsyncEnumerable<ReadOnlyMemory<float>> ComputeAheadAsync(
        Func<ChannelWriter<ReadOnlyMemory<float>>, Task> compute, [EnumeratorCancellation] CancellationToken cancellation)
    {
        var pieces = Channel.CreateBounded<ReadOnlyMemory<float>>(PiecesAhead);
        await _turn.WaitAsync(cancellation).ConfigureAwait(false);
        Task work = Task.Run(() => RunAsync(compute, pieces.Writer), CancellationToken.None);
        try
        {
            await foreach (ReadOnlyMemory<float> samples in pieces.Reader.ReadAllAsync(cancellation).ConfigureAwait(false)) yield return samples;
        }
        finally
        {
            pieces.Writer.TryComplete(); // the next piece has no place
            try
            {
                await work.ConfigureAwait(false);
            }
            finally
            {
                _turn.Release();
            }
        }
    }

    private static async Task RunAsync(Func<ChannelWriter<ReadOnlyMemory<float>>, Task> compute, ChannelWriter<ReadOnlyMemory<float>> output)
    {
        try
        {
            await compute(output).ConfigureAwait(false);
            output.TryComplete();
        }
        catch (ChannelClosedException)
        {
            // The reader left.
        }
        catch (Exception exception)
        {
            output.TryComplete(exception);
        }
    }
}
