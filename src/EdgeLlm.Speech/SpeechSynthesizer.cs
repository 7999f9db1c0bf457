using System.Runtime.CompilerServices;
using System.Threading.Channels;
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

    /// <summary>
    /// Programs that speak, by name, each with its arguments: `command:NAME` is a voice that starts one for every sentence (no shell, a
    /// clean environment, at most 10 s). It reads the sentence on standard input and writes WAV or FLAC to standard output.
    /// </summary>
    public IReadOnlyDictionary<string, IReadOnlyList<string>> Commands { get; init; } = new Dictionary<string, IReadOnlyList<string>>();
}

/// <summary>
/// Speaks: text -> sound, by a voice of `edgellm quantize`, in this process and without native libraries. The same text, options and seed
/// give the same samples on every machine. One text is spoken at a time; others wait.
/// </summary>
/// <example><code>
/// using var synthesizer = SpeechSynthesizer.Load("heart.gguf");
/// await foreach (ReadOnlyMemory&lt;float&gt; samples in synthesizer.SynthesizeAsync("The kitchen lights are on.")) Play(samples);
/// </code></example>
public sealed class SpeechSynthesizer : IDisposable
{
    // Some 3 s of sound: enough that the next sentence is there when one ends, little enough that a stop saves work.
    private const int PiecesAhead = 8;

    /// <summary>Most bytes that a voice takes beside its file's map, for a text of any length (`tools/speech-figures`).</summary>
    internal const long WorkingBytes = 12_000_000;

    /// <summary>How long a sentence that has ended waits for the next one's beginning.</summary>
    private static readonly TimeSpan LongestWait = TimeSpan.FromMilliseconds(300);

    private readonly Voice _voice;
    private readonly SemaphoreSlim _turn = new(1);

    private SpeechSynthesizer(Voice voice) => _voice = voice;

    /// <summary>The voice's name: that of its file or folder, or of its command.</summary>
    public string Name => _voice.Name;

    /// <summary>Whether the voice takes a speed and a seed; a command has its own.</summary>
    public bool HasTempo => _voice.HasTempo;

    /// <summary>Samples a second: 24,000.</summary>
    public int SampleRate => VoiceModel.SampleRate;

    /// <summary>
    /// Opens a voice: a packed file, the folder of one, the name of one on this machine, or `command:NAME`; null: the first on this
    /// machine.
    /// </summary>
    /// <exception cref="IOException">There is no such voice, or it can't be read.</exception>
    /// <exception cref="ModelException">It is not a voice, or a damaged one.</exception>
    /// <exception cref="ArgumentException">This processor does not have the kernel, the threads are not at least 1, or a command was given
    /// a lexicon or marks.</exception>
    public static SpeechSynthesizer Load(string? voice = null, VoiceOptions? options = null) => Load(voice, options, recorder: null);

    /// <param name="recorder">Receives every stage of the sound.</param>
    internal static SpeechSynthesizer Load(string? voice, VoiceOptions? options, StageRecorder? recorder)
    {
        options ??= new VoiceOptions();
        bool isCommand = voice is not null && voice.StartsWith(CommandVoice.Prefix, StringComparison.Ordinal);
        return new SpeechSynthesizer(isCommand ? CommandVoice.Open(voice!, options)
            : new NetworkVoice(VoiceStore.PathOf(voice), options, recorder));
    }

    /// <summary>
    /// Speaks a text: samples from -1 to 1, a piece of some tenths of a second at a time, computed ahead of the caller by up to some
    /// seconds.
    /// </summary>
    /// <exception cref="ArgumentException">An option is out of its range.</exception>
    /// <exception cref="PhonemeException">The text is SSML that is not well formed, or a mark has a sign that the voice lacks; the latter
    /// comes while it is spoken.</exception>
    public IAsyncEnumerable<ReadOnlyMemory<float>> SynthesizeAsync(string text, SpeechOptions? options = null,
        CancellationToken cancellation = default) =>
        SendAhead(Begin(options).Say(text, cancellation), cancellation); // SSML that is not well formed is refused now

    /// <summary>
    /// Speaks a text that is still being written, such as a model's answer: a sentence as soon as it has ended, which is when the next one
    /// begins, or after 0.3 s without text. The next sentence is computed while one is played. (SSML is read only in whole texts.)
    /// </summary>
    /// <exception cref="ArgumentException">An option is out of its range.</exception>
    public IAsyncEnumerable<ReadOnlyMemory<float>> SpeakAsync(IAsyncEnumerable<string> text, SpeechOptions? options = null,
        CancellationToken cancellation = default)
    {
        VoiceText spoken = Begin(options);
        bool isMarkdown = options is { IsMarkdown: true };
        return ComputeAheadAsync((output, stop) => SayStreamAsync(text, spoken, isMarkdown, output, stop), cancellation);
    }

    /// <summary>Speaks phonemes of the voice or of the International Phonetic Alphabet, a line a sentence.</summary>
    /// <exception cref="ArgumentException">An option is out of its range.</exception>
    /// <exception cref="PhonemeException">The voice does not have a sign; the message says which.</exception>
    public IAsyncEnumerable<ReadOnlyMemory<float>> SynthesizePhonemesAsync(string phonemes, SpeechOptions? options = null,
        CancellationToken cancellation = default) =>
        SendAhead(Begin(options).SayPhonemes(phonemes, cancellation), cancellation); // what is wrong with them is said now

    /// <inheritdoc/>
    public void Dispose()
    {
        _voice.Dispose();
        _turn.Dispose();
    }

    private VoiceText Begin(SpeechOptions? options)
    {
        options ??= new SpeechOptions();
        options.Check();
        return _voice.Begin(options);
    }

    private IAsyncEnumerable<ReadOnlyMemory<float>> SendAhead(IAsyncEnumerable<ReadOnlyMemory<float>> sound,
        CancellationToken cancellation) =>
        ComputeAheadAsync((output, stop) => SendAsync(sound, output, stop), cancellation);

    private static async Task SendAsync(IAsyncEnumerable<ReadOnlyMemory<float>> sound, ChannelWriter<ReadOnlyMemory<float>> output,
        CancellationToken cancellation)
    {
        await foreach (ReadOnlyMemory<float> samples in sound.ConfigureAwait(false))
            await output.WriteAsync(samples, cancellation).ConfigureAwait(false);
    }

    private static async Task SayStreamAsync(
        IAsyncEnumerable<string> text, VoiceText spoken, bool isMarkdown, ChannelWriter<ReadOnlyMemory<float>> output,
        CancellationToken cancellation)
    {
        var splitter = new SentenceSplitter(isMarkdown);
        IAsyncEnumerator<string> pieces = text.GetAsyncEnumerator(cancellation);
        Task<bool> next = Task.FromResult(true);
        try
        {
            while (true)
            {
                next = pieces.MoveNextAsync().AsTask();
                if (await Task.WhenAny(next, Task.Delay(LongestWait, cancellation)).ConfigureAwait(false) != next)
                    await SayAllAsync(splitter.Flush()).ConfigureAwait(false);
                if (!await next.WaitAsync(cancellation).ConfigureAwait(false)) break;
                await SayAllAsync(splitter.Add(pieces.Current)).ConfigureAwait(false);
            }
        }
        finally
        {
            if (next.IsCompleted) await pieces.DisposeAsync().ConfigureAwait(false); // one that still waits for text can't be
        }
        await SayAllAsync(splitter.End()).ConfigureAwait(false);

        async Task SayAllAsync(IEnumerable<TextSentence> sentences)
        {
            foreach (TextSentence sentence in sentences)
                await SendAsync(spoken.SayAsync(sentence, cancellation), output, cancellation).ConfigureAwait(false);
        }
    }

    /// <summary>Computes on another thread, some pieces ahead; a reader that leaves ends it.</summary>
    private async IAsyncEnumerable<ReadOnlyMemory<float>> ComputeAheadAsync(
        Func<ChannelWriter<ReadOnlyMemory<float>>, CancellationToken, Task> compute,
        [EnumeratorCancellation] CancellationToken cancellation)
    {
        var pieces = Channel.CreateBounded<ReadOnlyMemory<float>>(PiecesAhead);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        await _turn.WaitAsync(cancellation).ConfigureAwait(false);
        Task work = Task.Run(() => RunAsync(compute, pieces.Writer, stop.Token), CancellationToken.None);
        try
        {
            await foreach (ReadOnlyMemory<float> samples in pieces.Reader.ReadAllAsync(cancellation).ConfigureAwait(false))
                yield return samples;
        }
        finally
        {
            await stop.CancelAsync().ConfigureAwait(false);
            await work.ConfigureAwait(false);
            _turn.Release();
        }
    }

    private static async Task RunAsync(
        Func<ChannelWriter<ReadOnlyMemory<float>>, CancellationToken, Task> compute, ChannelWriter<ReadOnlyMemory<float>> output,
        CancellationToken cancellation)
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
