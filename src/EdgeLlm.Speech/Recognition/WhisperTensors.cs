namespace EdgeLlm.Speech.Recognition;

/// <summary>
/// The tensors of a Whisper model and their names in GGUF (as llama.cpp names those of T5), in Hugging Face's folders and in whisper.cpp's
/// files.
/// </summary>
internal static class WhisperTensors
{
    public static IEnumerable<SpeechTensor> Of(WhisperConfig config)
    {
        int width = config.Width;
        const string Encoder = "model.encoder.", Decoder = "model.decoder.";
        yield return new SpeechTensor("enc.conv1.weight", Encoder + "conv1.weight", "encoder.conv1.weight", [width, config.Bands, 3]);
        yield return new SpeechTensor("enc.conv1.bias", Encoder + "conv1.bias", "encoder.conv1.bias", [width]);
        yield return new SpeechTensor("enc.conv2.weight", Encoder + "conv2.weight", "encoder.conv2.weight", [width, width, 3]);
        yield return new SpeechTensor("enc.conv2.bias", Encoder + "conv2.bias", "encoder.conv2.bias", [width]);
        yield return new SpeechTensor("enc.position_embd.weight", Encoder + "embed_positions.weight", "encoder.positional_embedding",
            [config.EncoderPositions, width]);
        for (int layer = 0; layer < config.EncoderLayers; layer++)
        {
            foreach (SpeechTensor tensor in Layer("enc", Encoder, "encoder", layer, width, config.EncoderFeedForward, hasCross: false))
                yield return tensor;
        }
        foreach (SpeechTensor tensor in Norm("enc.output_norm", Encoder + "layer_norm", "encoder.ln_post", width)) yield return tensor;

        yield return new SpeechTensor("token_embd.weight", Decoder + "embed_tokens.weight", "decoder.token_embedding.weight",
            [config.Vocabulary, width]);
        yield return new SpeechTensor("dec.position_embd.weight", Decoder + "embed_positions.weight", "decoder.positional_embedding",
            [config.DecoderPositions, width]);
        for (int layer = 0; layer < config.DecoderLayers; layer++)
        {
            foreach (SpeechTensor tensor in Layer("dec", Decoder, "decoder", layer, width, config.DecoderFeedForward, hasCross: true))
                yield return tensor;
        }
        foreach (SpeechTensor tensor in Norm("dec.output_norm", Decoder + "layer_norm", "decoder.ln", width)) yield return tensor;
    }

    private static IEnumerable<SpeechTensor> Layer(string part, string folderPart, string ggmlPart, int layer, int width,
        int feedForward, bool hasCross)
    {
        string name = $"{part}.blk.{layer}.", folder = $"{folderPart}layers.{layer}.", ggml = $"{ggmlPart}.blocks.{layer}.";
        IEnumerable<SpeechTensor> tensors = [.. Norm(name + "attn_norm", folder + "self_attn_layer_norm", ggml + "attn_ln", width),
            .. Attention("attn", "self_attn", "attn")];
        if (hasCross)
            tensors = [.. tensors, .. Norm(name + "cross_attn_norm", folder + "encoder_attn_layer_norm", ggml + "cross_attn_ln", width),
                .. Attention("cross_attn", "encoder_attn", "cross_attn")];
        return
        [
            .. tensors,
            .. Norm(name + "ffn_norm", folder + "final_layer_norm", ggml + "mlp_ln", width),
            .. SpeechTensor.Linear(name + "ffn_up", folder + "fc1", ggml + "mlp.0", feedForward, width),
            .. SpeechTensor.Linear(name + "ffn_down", folder + "fc2", ggml + "mlp.2", width, feedForward),
        ];

        IEnumerable<SpeechTensor> Attention(string own, string inFolder, string inGgml) =>
        [
            .. SpeechTensor.Linear($"{name}{own}_q", $"{folder}{inFolder}.q_proj", $"{ggml}{inGgml}.query", width, width),
            .. SpeechTensor.Linear($"{name}{own}_k", $"{folder}{inFolder}.k_proj", $"{ggml}{inGgml}.key", width, width, hasBias: false),
            .. SpeechTensor.Linear($"{name}{own}_v", $"{folder}{inFolder}.v_proj", $"{ggml}{inGgml}.value", width, width),
            .. SpeechTensor.Linear($"{name}{own}_o", $"{folder}{inFolder}.out_proj", $"{ggml}{inGgml}.out", width, width),
        ];
    }

    private static IEnumerable<SpeechTensor> Norm(string name, string folder, string ggml, int width) =>
    [
        new SpeechTensor(name + ".weight", folder + ".weight", ggml + ".weight", [width]),
        new SpeechTensor(name + ".bias", folder + ".bias", ggml + ".bias", [width]),
    ];
}
