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

    /// <summary>How text is read; null: as it is.</summary>
    public PhonemizerOptions? Reading { get; init; }
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

    /// <summary>How long a sentence that has ended waits for the next one's beginning.</summary>
    private static readonly TimeSpan LongestWait = TimeSpan.FromMilliseconds(300);

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
            _phonemizer = Phonemizer.Open(path, options.Reading);
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
    /// <exception cref="PhonemeException">The text is SSML that is not well formed, or a mark has a sign that the voice lacks; comes while it is spoken.</exception>
    public IAsyncEnumerable<ReadOnlyMemory<float>> SynthesizeAsync(string text, SpeechOptions? options = null, CancellationToken cancellation = default)
    {
        options ??= new SpeechOptions();
        options.Check();
        IEnumerable<SpokenSentence> sentences = options.IsMarkup && SpeechMarkup.Is(text) ? _phonemizer.ReadMarkup(text) : _phonemizer.Read(text, options.IsMarkdown);
        return ComputeAheadAsync((output, stop) => SayAsync(new SpokenSound(_synthesis, options), Utterances(sentences, options), output, stop), cancellation);
    }

    /// <summary>
    /// Speaks a text that is still being written, such as a model's answer: a sentence as soon as it has ended, which is when the next one begins, or after 0.3 s without
    /// text. The next sentence is computed while one is played. (SSML is read only in whole texts.)
    /// </summary>
    /// <exception cref="ArgumentException">An option is out of its range.</exception>
    public IAsyncEnumerable<ReadOnlyMemory<float>> SpeakAsync(IAsyncEnumerable<string> text, SpeechOptions? options = null, CancellationToken cancellation = default)
    {
        options ??= new SpeechOptions();
        options.Check();
        return ComputeAheadAsync((output, stop) => SayStreamAsync(text, options, output, stop), cancellation);
    }

    /// <summary>Speaks phonemes of the voice or of the International Phonetic Alphabet, a line a sentence.</summary>
    /// <exception cref="ArgumentException">An option is out of its range.</exception>
    /// <exception cref="PhonemeException">The voice does not have a sign; the message says which.</exception>
    public IAsyncEnumerable<ReadOnlyMemory<float>> SynthesizePhonemesAsync(string phonemes, SpeechOptions? options = null, CancellationToken cancellation = default)
    {
        options ??= new SpeechOptions();
        options.Check();
        List<Utterance> utterances = [.. phonemes.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)
            .SelectMany(line => Utterances(_phonemizer.ReadSigns(line), options, options.SentencePause))];
        return ComputeAheadAsync((output, stop) => SayAsync(new SpokenSound(_synthesis, options), utterances, output, stop), cancellation);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _synthesis.Dispose();
        _phonemizer.Dispose();
        _model.Dispose();
        _turn.Dispose();
    }

    private static IEnumerable<Utterance> Utterances(IEnumerable<SpokenSentence> sentences, SpeechOptions options) =>
        sentences.SelectMany(sentence => Utterances(sentence, options, sentence.Break ?? sentence.Pause switch
        {
            SpeechPause.Paragraph => options.ParagraphPause,
            SpeechPause.Sentence => options.SentencePause,
            _ => 0,
        }));

    private static IEnumerable<Utterance> Utterances(SpokenSentence sentence, SpeechOptions options, double pause)
    {
        if (sentence.Pieces.Count == 0 && sentence.Break is not null && !options.KeepsSilence) yield return new Utterance([], 1, pause);
        for (int i = 0; i < sentence.Pieces.Count; i++)
            yield return new Utterance(sentence.Pieces[i].Ids, sentence.Rate, i == sentence.Pieces.Count - 1 ? pause : 0);
    }

    private static async Task SayAsync(SpokenSound sound, IEnumerable<Utterance> utterances, ChannelWriter<ReadOnlyMemory<float>> output, CancellationToken cancellation)
    {
        foreach (ReadOnlyMemory<float> samples in utterances.SelectMany(sound.Say))
        {
            cancellation.ThrowIfCancellationRequested();
            await output.WriteAsync(samples, cancellation).ConfigureAwait(false);
        }
    }

    private async Task SayStreamAsync(IAsyncEnumerable<string> text, SpeechOptions options, ChannelWriter<ReadOnlyMemory<float>> output, CancellationToken cancellation)
    {
        var sound = new SpokenSound(_synthesis, options);
        var splitter = new SentenceSplitter(options.IsMarkdown);
        IAsyncEnumerator<string> pieces = text.GetAsyncEnumerator(cancellation);
        Task<bool> next = Task.FromResult(true);
        try
        {
            while (true)
            {
                next = pieces.MoveNextAsync().AsTask();
                if (await Task.WhenAny(next, Task.Delay(LongestWait, cancellation)).ConfigureAwait(false) != next) await SayAllAsync(splitter.Flush()).ConfigureAwait(false);
                if (!await next.WaitAsync(cancellation).ConfigureAwait(false)) break;
                await SayAllAsync(splitter.Add(pieces.Current)).ConfigureAwait(false);
            }
        }
        finally
        {
            if (next.IsCompleted) await pieces.DisposeAsync().ConfigureAwait(false); // one that still waits for text can't be
        }
        await SayAllAsync(splitter.End()).ConfigureAwait(false);

        Task SayAllAsync(IEnumerable<TextSentence> sentences) =>
            SayAsync(sound, Utterances(sentences.Select(sentence => _phonemizer.Read(sentence)), options), output, cancellation);
    }

    /// <summary>Computes on another thread, some pieces ahead; a reader that leaves ends it.</summary>
    private async IAsyncEnumerable<ReadOnlyMemory<float>> ComputeAheadAsync(
        Func<ChannelWriter<ReadOnlyMemory<float>>, CancellationToken, Task> compute, [EnumeratorCancellation] CancellationToken cancellation)
    {
        var pieces = Channel.CreateBounded<ReadOnlyMemory<float>>(PiecesAhead);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        await _turn.WaitAsync(cancellation).ConfigureAwait(false);
        Task work = Task.Run(() => RunAsync(compute, pieces.Writer, stop.Token), CancellationToken.None);
        try
        {
            await foreach (ReadOnlyMemory<float> samples in pieces.Reader.ReadAllAsync(cancellation).ConfigureAwait(false)) yield return samples;
        }
        finally
        {
            await stop.CancelAsync().ConfigureAwait(false);
            await work.ConfigureAwait(false);
            _turn.Release();
        }
    }

    private static async Task RunAsync(
        Func<ChannelWriter<ReadOnlyMemory<float>>, CancellationToken, Task> compute, ChannelWriter<ReadOnlyMemory<float>> output, CancellationToken cancellation)
    {
        try
        {
            await compute(output, cancellation).ConfigureAwait(false);
            output.TryComplete();
        }
        catch (Exception exception)
        {
            output.TryComplete(exception); // of a reader that left nobody hears
        }
    }
}
