using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using EdgeLlm.Files;
using EdgeLlm.Models;
using EdgeLlm.Models.Adapters;

namespace EdgeLlm.Cli.Evaluation;

/// <summary>
/// A file with a model's logits for a text's windows, so that they need not be computed again: 32 bytes that tell model, its way of
/// computing, text and windows, then floats [predicted tokens, vocabulary]. It receives its name when it is whole.
/// </summary>
internal static class LogitsStore
{
    private const byte FormatVersion = 2;

    /// <summary>Predictions out of the file where it is there, else the model's own, which are written to it.</summary>
    /// <exception cref="InvalidDataException">The file is of another model or text.</exception>
    public static IPredictions Open(string path, LanguageModel model, TextWindows windows, Adaptation? adaptation = null)
    {
        byte[] origin = Origin(model, windows, adaptation);
        if (FileStatus.Of(path) is null) return new Recorder(path, origin, new WindowPass(model, windows.Length, adaptation), windows);
        FileStream file = InputFile.Open(path);
        byte[] found = new byte[origin.Length];
        file.ReadAtLeast(found, found.Length, throwOnEndOfStream: false);
        long floats = PredictionsOf(windows) * model.Info.VocabularySize;
        if (found.SequenceEqual(origin) && file.Length == origin.Length + floats * sizeof(float))
            return new Player(file, model.Info.VocabularySize);
        file.Dispose();
        throw new InvalidDataException(
            $"{path}: has no logits of {model.Path} for this text and these windows; delete it or name another file");
    }

    private static long PredictionsOf(TextWindows windows) => (long)windows.Count * (windows.Length - 1 - windows.FirstPrediction);

    private static byte[] Origin(LanguageModel model, TextWindows windows, Adaptation? adaptation)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData([FormatVersion]);
        hash.AppendData(model.StateKey());
        hash.AppendData(Encoding.ASCII.GetBytes(adaptation?.Key ?? ""));
        hash.AppendData(BitConverter.GetBytes(windows.Length));
        hash.AppendData(MemoryMarshal.AsBytes(windows.Tokens));
        return hash.GetHashAndReset();
    }

    /// <summary>Computes, and writes what it computes.</summary>
    private sealed class Recorder : IPredictions
    {
        private readonly WindowPass _pass;
        private readonly AtomicFile _file;
        private long _missing;

        public Recorder(string path, byte[] origin, WindowPass pass, TextWindows windows)
        {
            (_pass, _missing) = (pass, PredictionsOf(windows));
            _file = AtomicFile.Create(path);
            _file.Write(origin);
        }

        public void Begin(ReadOnlySpan<int> tokens, CancellationToken cancellation) => _pass.Begin(tokens, cancellation);

        public void Continue(ReadOnlySpan<int> tokens, CancellationToken cancellation)
        {
            _pass.Continue(tokens, cancellation);
            for (int i = 0; i < tokens.Length; i++) _file.Write(MemoryMarshal.AsBytes(_pass.Logits(i)));
            _missing -= tokens.Length;
        }

        public ReadOnlySpan<float> Logits(int token) => _pass.Logits(token);

        public void Dispose()
        {
            _pass.Dispose();
            using (_file)
            {
                if (_missing == 0) _file.Complete();
            }
        }
    }

    /// <summary>Reads what was written.</summary>
    private sealed class Player(FileStream file, int vocabulary) : IPredictions
    {
        private float[] _logits = [];

        public void Begin(ReadOnlySpan<int> tokens, CancellationToken cancellation) => cancellation.ThrowIfCancellationRequested();

        public void Continue(ReadOnlySpan<int> tokens, CancellationToken cancellation)
        {
            int count = checked(tokens.Length * vocabulary);
            if (_logits.Length < count) _logits = new float[count];
            file.ReadExactly(MemoryMarshal.AsBytes(_logits.AsSpan(0, count)));
            if (_logits.AsSpan(0, count).ContainsAnyExceptInRange(float.MinValue, float.MaxValue))
                throw new InvalidDataException($"{file.Name}: a logit is infinite or not a number: the file is damaged; delete it");
        }

        public ReadOnlySpan<float> Logits(int token) => _logits.AsSpan(token * vocabulary, vocabulary);

        public void Dispose() => file.Dispose();
    }
}
