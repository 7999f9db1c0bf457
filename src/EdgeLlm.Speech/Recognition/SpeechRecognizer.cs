using EdgeLlm.Gguf;
using EdgeLlm.HuggingFace;
using EdgeLlm.Kernels;
using EdgeLlm.Tokenization;

namespace EdgeLlm.Speech.Recognition;

/// <summary>
/// A model that hears: sound to text. Calls may come from any thread, and take turns. The text is the same on every machine.
/// </summary>
public sealed class SpeechRecognizer : IDisposable
{
    private readonly Transcriber _transcriber;
    private readonly Lock _turn = new();

    private SpeechRecognizer(Transcriber transcriber)
    {
        _transcriber = transcriber;
        Name = transcriber.Name;
    }

    /// <summary>The model's name.</summary>
    public string Name { get; }

    /// <summary>Languages that it knows, by their codes.</summary>
    public IReadOnlyList<string> Languages => _transcriber.Languages;

    /// <summary>Whether it translates into English.</summary>
    public bool CanTranslate => _transcriber.CanTranslate;

    /// <summary>Opens a Hugging Face folder or a GGUF file that `edgellm quantize` made.</summary>
    /// <exception cref="FileNotFoundException">There is no such file or folder.</exception>
    /// <exception cref="ModelException">It is not a recognizer, or damaged.</exception>
    /// <exception cref="GgufException">The file is damaged or no GGUF file.</exception>
    /// <exception cref="ArgumentException">This processor has no such kernel.</exception>
    public static SpeechRecognizer Load(string path, SpeechOptions? options = null)
    {
        options ??= new SpeechOptions();
        SpeechCompute compute = ComputeFor(options);
        return new SpeechRecognizer(Open<Transcriber>(path, compute, file =>
            IsMoonshine(file) ? new MoonshineTranscriber(new MoonshineModel(file, compute))
                : new WhisperTranscriber(new WhisperModel(file, compute))));
    }

    /// <summary>Whether a file or folder is a recognizer: what its config.json or its keys say.</summary>
    public static bool IsRecognizer(string path)
    {
        if (Directory.Exists(path)) return SpeechFolder.KindOf(path) is not null;
        try
        {
            if (WhisperGgml.IsGgml(path)) return true;
            using GgufFile file = GgufFile.Open(path);
            return file.Metadata.GetString("general.architecture", null) is { } kind && SpeechFolder.IsKind(kind);
        }
        catch (Exception exception) when (exception is GgufException or IOException or UnauthorizedAccessException or ModelException)
        {
            return false;
        }
    }

    /// <summary>The text of samples at 16 kHz.</summary>
    public Transcript Transcribe(ReadOnlyMemory<float> samples, TranscriptionOptions? options = null,
        CancellationToken cancellationToken = default)
    {
        int at = 0;
        return Transcribe(
            buffer =>
            {
                int count = Math.Min(buffer.Length, samples.Length - at);
                samples.Span.Slice(at, count).CopyTo(buffer);
                at += count;
                return count;
            },
            options, null, null, cancellationToken);
    }

    /// <summary>The text of a recording of any length: memory doesn't grow with it.</summary>
    /// <param name="read">Gives samples at 16 kHz.</param>
    /// <param name="take">Receives each segment as soon as it is there; null: nobody.</param>
    /// <param name="progress">Receives the seconds that are done; null: nobody.</param>
    /// <exception cref="ArgumentException">An option is out of range, or the model can't do what is asked for.</exception>
    /// <exception cref="EdgeLlm.Models.NotFiniteException">An activation is infinite or not a number: the model is damaged.</exception>
    public Transcript Transcribe(
        ReadSamples read, TranscriptionOptions? options = null, Action<TranscriptSegment>? take = null, IProgress<double>? progress = null,
        CancellationToken cancellationToken = default)
    {
        options ??= new TranscriptionOptions();
        options.Validate();
        lock (_turn) return _transcriber.Transcribe(read, options, take, progress, cancellationToken);
    }

    /// <summary>Begins to hear speech that continues.</summary>
    /// <param name="isLive">Leave passes out where samples come faster than they can be heard: then the text depends on the machine's
    /// speed.</param>
    /// <exception cref="ArgumentException">An option is out of range, or the model can't do what is asked for.</exception>
    public SpeechStream StartStream(TranscriptionOptions? options = null, bool isLive = false)
    {
        options ??= new TranscriptionOptions();
        options.Validate();
        return new SpeechStream(_transcriber, options, _turn, isLive);
    }

    /// <summary>The bytes of a token's text; none of one that is not text.</summary>
    internal byte[] BytesOf(int token)
    {
        var bytes = new System.Buffers.ArrayBufferWriter<byte>();
        _transcriber.Tokenizer.Decode(token, bytes);
        return bytes.WrittenSpan.ToArray();
    }

    /// <inheritdoc/>
    public void Dispose() => _transcriber.Dispose();

    /// <summary>The kernel and threads that options ask for.</summary>
    internal static SpeechCompute ComputeFor(SpeechOptions options)
    {
        Kernel kernel = options.Kernel is { } name ? Kernel.Choose(name) : Kernel.Best;
        return new SpeechCompute(kernel, options.Threads > 0 ? options.Threads : Environment.ProcessorCount)
        {
            FloatActivations = options.FloatActivations,
        };
    }

    /// <summary>The keys and tensors of a recognizer, under GGUF's names.</summary>
    /// <exception cref="ModelException">It is none, or damaged.</exception>
    internal static GgufFile OpenFile(string path)
    {
        Models.Licences.LicencePolicy.Require(path);
        if (Directory.Exists(path)) return SpeechFolder.Map(path);
        if (WhisperGgml.IsGgml(path)) return WhisperGgml.Map(path);
        GgufFile file = GgufFile.Open(path);
        string kind = file.Metadata.GetString("general.architecture", "");
        if (SpeechFolder.IsKind(kind)) return file;
        file.Dispose();
        throw new ModelException(path,
            $"is a model of type '{FolderFile.Printable(kind)}', not one that hears (whisper, moonshine, moonshine_streaming)");
    }

    /// <summary>Whether a file's network is Moonshine's; otherwise it is Whisper's.</summary>
    internal static bool IsMoonshine(GgufFile file) => file.Metadata.GetString("general.architecture") != WhisperConfig.Architecture;

    /// <summary>Opens a recognizer's file and makes what runs it, which owns both from then on.</summary>
    internal static T Open<T>(string path, SpeechCompute compute, Func<GgufFile, T> make)
    {
        GgufFile? file = null;
        try
        {
            file = OpenFile(path);
            return make(file);
        }
        catch
        {
            file?.Dispose();
            compute.Dispose();
            throw;
        }
    }
}

/// <summary>State of a stream's window that is encoded already.</summary>
internal abstract class HearingState : IDisposable
{
    /// <summary>Begins another window.</summary>
    public abstract void Clear();

    public abstract void Dispose();
}

/// <summary>A network with the rules of how recordings become text with it.</summary>
internal abstract class Transcriber : IDisposable
{
    /// <summary>The model's keys.</summary>
    public abstract GgufMetadata Metadata { get; }

    public abstract Tokenizer Tokenizer { get; }

    public abstract string Path { get; }

    /// <summary>The model's name.</summary>
    public string Name => Metadata.GetString("general.name", null) ?? System.IO.Path.GetFileNameWithoutExtension(Path);

    public abstract IReadOnlyList<string> Languages { get; }

    public abstract bool CanTranslate { get; }

    /// <summary>Transcribes a recording.</summary>
    /// <param name="take">Receives each segment as soon as it is there.</param>
    /// <param name="progress">Receives the seconds that are done.</param>
    public abstract Transcript Transcribe(ReadSamples read, TranscriptionOptions options, Action<TranscriptSegment>? take,
        IProgress<double>? progress, CancellationToken cancellation);

    /// <summary>State between two passes of a stream, so that sound is not encoded twice; null: there is none.</summary>
    /// <param name="mostSamples">Most samples of a window.</param>
    public virtual HearingState? BeginHearing(int mostSamples) => null;

    /// <summary>The tokens of speech so far, beginning with those that are agreed on.</summary>
    /// <param name="window">Samples of the window.</param>
    /// <param name="heard">What <see cref="BeginHearing"/> gave for this stream.</param>
    public abstract int[] Hear(ReadOnlyMemory<float> window, int[] agreed, TranscriptionOptions options, HearingState? heard,
        CancellationToken cancellation);

    /// <summary>The text of tokens, without spaces around it.</summary>
    public abstract string TextOf(ReadOnlySpan<int> tokens);

    /// <summary>
    /// How much of the window that was heard last is settled: samples from its beginning, and the agreed tokens that were said in them.
    /// </summary>
    public abstract (int Samples, int Tokens) Settled(int samples, int[] agreed, TranscriptionOptions options);

    /// <summary>
    /// How many of the tokens of the window that was heard last were said well before its end: after it a model may continue by itself.
    /// </summary>
    public abstract int SpokenTokens(int samples, int[] heard, TranscriptionOptions options);

    /// <summary>At most a given number of tokens from the first on, but only whole words.</summary>
    public int WholeWords(ReadOnlySpan<int> tokens, int count)
    {
        for (; count > 0 && count < tokens.Length; count--)
        {
            string before = TextOf(tokens[..count]), with = TextOf(tokens[..(count + 1)]);
            char next = with.Length > before.Length ? with[before.Length] : ' ';
            bool continues = char.IsLetterOrDigit(next) && next < '\u2E80'
                || next is '\'' or '’' or '\uFFFD'; // in Chinese and Japanese a word may begin anywhere
            if (!continues) break;
        }
        return count;
    }

    public abstract void Dispose();
}
