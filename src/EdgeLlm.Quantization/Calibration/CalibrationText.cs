using EdgeLlm.Gguf;
using EdgeLlm.Models;
using EdgeLlm.Models.Spec;
using EdgeLlm.Tokenization;

namespace EdgeLlm.Quantization.Calibration;

/// <summary>A text's tokens in windows of one length; every eighth window is held out to judge by.</summary>
internal sealed class CalibrationText
{
    private const int HeldOutEvery = 8;

    private readonly int[] _tokens;

    /// <param name="all">The text's tokens, without BOS: each window receives one of its own, where the model wants that.</param>
    /// <param name="windows">At most this many windows, spread over the text.</param>
    public CalibrationText(Tokenizer tokenizer, List<int> all, int length, int windows)
    {
        Length = length;
        int first = tokenizer.AddsBos && tokenizer.BosId is not null ? 1 : 0, own = length - first, count = own == 0 ? 0 : all.Count / own;
        Count = Math.Min(count, windows);
        _tokens = new int[Count * length];
        for (int i = 0; i < Count; i++)
        {
            if (first == 1) _tokens[i * length] = tokenizer.BosId!.Value;
            all.CopyTo((int)((long)i * count / Count) * own, _tokens, i * length + first, own);
        }
    }

    /// <param name="tokens">Windows that are cut already, one after the other.</param>
    public CalibrationText(int[] tokens, int length) => (_tokens, Length, Count) = (tokens, length, tokens.Length / length);

    /// <summary>A text as a model's file tokenizes it.</summary>
    /// <param name="text">Null: the text that comes with the program.</param>
    /// <param name="length">Tokens of a window; fewer where the model's context has fewer.</param>
    /// <param name="windows">At most this many windows, spread over the text.</param>
    /// <exception cref="ModelException">The text has no whole window, or tokens that the embedding has no rows for.</exception>
    public static CalibrationText Read(GgufFile file, string? text, int length, int windows)
    {
        ModelSpec model = ModelLoader.ReadSpec(file);
        Tokenizer tokenizer = ModelLoader.MakeTokenizer(file);
        var result = new CalibrationText(
            tokenizer, text is null ? OwnCalibrationText.Encode(tokenizer, file) : [.. tokenizer.Encode(text)],
            Math.Min(length, model.ContextLength), windows);
        if (result.Count == 0)
            throw new ModelException(file.Path, $"the calibration text has fewer than {result.Length} of its tokens: take a longer one");
        foreach (int token in result.Tokens)
        {
            if (token >= model.VocabularySize)
                throw new ModelException(file.Path, $"its tokenizer makes token {token}, for which its embedding has no row");
        }
        return result;
    }

    /// <summary>Tokens of a window.</summary>
    public int Length { get; }

    /// <summary>Windows.</summary>
    public int Count { get; }

    public ReadOnlySpan<int> Tokens => _tokens;

    public ReadOnlySpan<int> this[int window] => _tokens.AsSpan(window * Length, Length);

    /// <summary>The windows that are held out.</summary>
    public CalibrationText HeldOut() =>
        new([.. Enumerable.Range(0, Count).Where(IsHeldOut).SelectMany(window => this[window].ToArray())], Length);

    public static bool IsHeldOut(int window) => window % HeldOutEvery == HeldOutEvery - 1;
}
