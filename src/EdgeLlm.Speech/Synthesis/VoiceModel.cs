using EdgeLlm.Gguf;

namespace EdgeLlm.Speech.Synthesis;

/// <summary>
/// A voice of hibari's form (docs/speaking.md): two encoders of phonemes, durations, prosody, a decoder to spectra. The file is mapped; its
/// bytes are what is computed with.
/// </summary>
internal sealed class VoiceModel : IDisposable
{
    public const string TextRepeatsKey = "hibari.text_repeats";
    public const string ProsodyTextRepeatsKey = "hibari.prosody_text_repeats";
    public const string DilationsKey = "hibari.prosody_dilations";

    /// <summary>Samples a second.</summary>
    public const int SampleRate = 24000;

    /// <summary>Samples of a frame, the decoder's step: 12.5 ms.</summary>
    public const int Hop = 300;

    /// <summary>Samples of a Fourier transform.</summary>
    public const int TransformLength = 1200;

    /// <summary>Frequencies of a transform.</summary>
    public const int Bins = TransformLength / 2 + 1;

    /// <summary>
    /// Numbers of a frame: logarithm of the harmonics' gain, their phase, logarithms of noise and rest, the rest's phase; each [Bins].
    /// </summary>
    public const int FrameWidth = 5 * Bins;

    private const int MostRepeats = 16;
    private const int MostBlocks = 32;
    private const int MostDilation = 64;

    private readonly GgufFile _file;

    private VoiceModel(GgufFile file)
    {
        _file = file;
        var tensors = new VoiceTensors(file);
        if (file.Metadata.GetString("general.architecture") is var architecture && architecture != VoiceStore.Architecture)
            throw tensors.Error(
                $"is not a voice: its general.architecture is {GgufException.Quote(architecture)}, and a voice's is "
                    + $"'{VoiceStore.Architecture}'");
        Text = tensors.Encoder("m.text", Repeats(TextRepeatsKey));
        ProsodyText = tensors.Encoder("pn.text", Repeats(ProsodyTextRepeatsKey));
        if (Text.Vocabulary != ProsodyText.Vocabulary) throw tensors.Error("has two encoders with different numbers of signs");
        int width = ProsodyText.Width;
        DurationConvolution = tensors.Linear("pn.dur.0", width, 3 * width);
        DurationOutput = tensors.Linear("pn.dur.2", 1, width);
        ProsodyInput = tensors.Linear("pn.pro_in", width, width);
        ProsodyOutput = tensors.Linear("pn.pro_out", 4, width);
        uint[] dilations = file.Metadata.GetArray<uint>(DilationsKey);
        if (dilations.Length is 0 or > MostBlocks || dilations.Any(dilation => dilation is 0 or > MostDilation))
            throw file.Metadata.Error(DilationsKey, $"must have 1 to {MostBlocks} numbers from 1 to {MostDilation}");
        Prosody = [.. dilations.Select((dilation, i) => tensors.Block($"pn.pro.{i}", width, 7, (int)dilation))];
        int decoderWidth = tensors.Width("m.dec_norm.weight"), blocks = 0;
        while (blocks <= MostBlocks && tensors.Has($"m.dec.{blocks}.gamma")) blocks++;
        if (blocks is 0 or > MostBlocks) throw tensors.Error($"has {blocks} blocks in its decoder, not 1 to {MostBlocks}");
        DecoderInput = tensors.DecoderInput("m.dec_in", decoderWidth, Text.Width);
        Decoder = [.. Enumerable.Range(0, blocks).Select(i => tensors.Block($"m.dec.{i}", decoderWidth, 7, 1))];
        DecoderNorm = tensors.Norm("m.dec_norm", decoderWidth);
        Head = tensors.Linear("m.head", FrameWidth, decoderWidth);
    }

    public EncoderWeights Text { get; }

    /// <summary>The encoder for durations and prosody.</summary>
    public EncoderWeights ProsodyText { get; }

    /// <summary>Three rows of the encoder's to one.</summary>
    public LinearMap DurationConvolution { get; }

    public LinearMap DurationOutput { get; }

    public LinearMap ProsodyInput { get; }

    public BlockWeights[] Prosody { get; }

    /// <summary>Pitch of both halves of a step, energy of both.</summary>
    public LinearMap ProsodyOutput { get; }

    /// <summary>Seven rows of text, pitch and energy to one.</summary>
    public DecoderInputWeights DecoderInput { get; }

    public BlockWeights[] Decoder { get; }

    public LayerNorm DecoderNorm { get; }

    public LinearMap Head { get; }

    /// <summary>Most columns of a matrix.</summary>
    public int WidestInput
    {
        get
        {
            IEnumerable<LinearMap> maps = [Head, DurationConvolution, ProsodyInput, Text.Up, Text.Down, ProsodyText.Up, ProsodyText.Down];
            IEnumerable<BlockWeights> blocks = [.. Decoder, .. Prosody, .. Text.Blocks, .. ProsodyText.Blocks];
            return maps.Concat(blocks.SelectMany(block => (LinearMap[])[block.Up, block.Down])).Max(map => map.Columns);
        }
    }

    /// <summary>Opens a packed voice, or the folder of one: its network is packed into a temporary file then.</summary>
    /// <exception cref="ModelException">It is not a voice or a damaged one.</exception>
    /// <exception cref="GgufException">It is not a GGUF file or a damaged one.</exception>
    /// <exception cref="IOException">It can't be read.</exception>
    public static VoiceModel Open(string path)
    {
        if (!Directory.Exists(path)) return OpenFile(path);
        string temporary = Path.Combine(Path.GetTempPath(), "edgellm-" + Path.GetRandomFileName());
        try
        {
            var writer = new GgufWriter();
            writer.Set("general.architecture", GgufValue.Of(VoiceStore.Architecture));
            PackedTensors.Write(writer, VoiceNetworkWriter.Add(writer, path));
            writer.Save(temporary);
            return OpenFile(temporary);
        }
        finally
        {
            if (!OperatingSystem.IsWindows()) File.Delete(temporary); // it stays mapped
        }
    }

    public void Dispose() => _file.Dispose();

    private static VoiceModel OpenFile(string path)
    {
        GgufFile file = GgufFile.Open(path);
        try
        {
            Models.Licences.LicencePolicy.Require(file);
            return new VoiceModel(file);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    private int Repeats(string key) =>
        _file.Metadata.GetUInt32(key) is > 0 and <= MostRepeats and var repeats ? (int)repeats
            : throw _file.Metadata.Error(key, $"must be 1 to {MostRepeats}");
}
