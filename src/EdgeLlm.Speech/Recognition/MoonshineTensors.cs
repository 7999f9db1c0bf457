namespace EdgeLlm.Speech.Recognition;

/// <summary>The tensors of a Moonshine model and their names in GGUF and in folders.</summary>
internal static class MoonshineTensors
{
    private const string EncoderName = "model.encoder.", DecoderName = "model.decoder.";

    public static IEnumerable<SpeechTensor> Of(MoonshineConfig config)
    {
        int width = config.Encoder.Width, decoderWidth = config.Decoder.Width;
        foreach (SpeechTensor tensor in config.IsStreaming ? StreamingFrontEnd(config) : FrontEnd(width)) yield return tensor;
        for (int layer = 0; layer < config.Encoder.Layers; layer++)
        {
            foreach (SpeechTensor tensor in Layer(config.Encoder, EncoderName, layer, 0, config.IsStreaming)) yield return tensor;
        }
        yield return config.IsStreaming
            ? new SpeechTensor("enc.output_norm.weight", EncoderName + "final_norm.gamma", "", [width]) { Offset = 1 }
            : new SpeechTensor("enc.output_norm.weight", EncoderName + "layer_norm.weight", "", [width]);

        yield return new SpeechTensor("token_embd.weight", DecoderName + "embed_tokens.weight", "", [config.Vocabulary, decoderWidth]);
        if (config.IsStreaming)
        {
            yield return new SpeechTensor("dec.position_embd.weight", DecoderName + "pos_emb.weight", "", [config.Positions, width]);
            if (width != decoderWidth)
                yield return new SpeechTensor("dec.input_proj.weight", DecoderName + "proj.weight", "", [decoderWidth, width]);
        }
        for (int layer = 0; layer < config.Decoder.Layers; layer++)
        {
            foreach (SpeechTensor tensor in Layer(config.Decoder, DecoderName, layer, decoderWidth, false)) yield return tensor;
        }
        yield return new SpeechTensor("dec.output_norm.weight", DecoderName + "norm.weight", "", [decoderWidth]);
        if (!config.IsTied) yield return new SpeechTensor("output.weight", "proj_out.weight", "", [config.Vocabulary, decoderWidth]);
    }

    private static IEnumerable<SpeechTensor> FrontEnd(int width) =>
    [
        new SpeechTensor("enc.conv1.weight", EncoderName + "conv1.weight", "", [width, 1, 127]),
        new SpeechTensor("enc.group_norm.weight", EncoderName + "groupnorm.weight", "", [width]),
        new SpeechTensor("enc.group_norm.bias", EncoderName + "groupnorm.bias", "", [width]),
        new SpeechTensor("enc.conv2.weight", EncoderName + "conv2.weight", "", [2 * width, width, 7]),
        new SpeechTensor("enc.conv2.bias", EncoderName + "conv2.bias", "", [2 * width]),
        new SpeechTensor("enc.conv3.weight", EncoderName + "conv3.weight", "", [width, 2 * width, 3]),
        new SpeechTensor("enc.conv3.bias", EncoderName + "conv3.bias", "", [width]),
    ];

    private static IEnumerable<SpeechTensor> StreamingFrontEnd(MoonshineConfig config)
    {
        const string Embedder = EncoderName + "embedder.";
        int width = config.Encoder.Width;
        return
        [
            new SpeechTensor("enc.log_k", Embedder + "comp.log_k", "", []),
            new SpeechTensor("enc.linear.weight", Embedder + "linear.weight", "", [width, config.FrameSamples]),
            new SpeechTensor("enc.conv1.weight", Embedder + "conv1.weight", "", [2 * width, width, 5]),
            new SpeechTensor("enc.conv1.bias", Embedder + "conv1.bias", "", [2 * width]),
            new SpeechTensor("enc.conv2.weight", Embedder + "conv2.weight", "", [width, 2 * width, 5]),
            new SpeechTensor("enc.conv2.bias", Embedder + "conv2.bias", "", [width]),
        ];
    }

    /// <param name="crossWidth">Width of what cross attention sees; 0: there is none.</param>
    /// <param name="isStreaming">Norms have `gamma`, which is 1 less.</param>
    private static IEnumerable<SpeechTensor> Layer(StackSpec stack, string part, int layer, int crossWidth, bool isStreaming)
    {
        string name = $"{stack.Prefix}.blk.{layer}.", folder = $"{part}layers.{layer}.";
        int width = stack.Width, first = stack.FeedForward * (stack.IsGated ? 2 : 1);
        bool hasCross = crossWidth > 0;
        List<SpeechTensor> tensors = [Norm("attn_norm", "input_layernorm"), .. Attention("attn", "self_attn", width)];
        if (hasCross)
            tensors.AddRange([Norm("cross_attn_norm", "post_attention_layernorm"), .. Attention("cross_attn", "encoder_attn", crossWidth)]);
        tensors.Add(Norm("ffn_norm", hasCross ? "final_layernorm" : "post_attention_layernorm"));
        tensors.AddRange(SpeechTensor.Linear(name + "ffn_up", folder + "mlp.fc1", "", first, width));
        tensors.AddRange(SpeechTensor.Linear(name + "ffn_down", folder + "mlp.fc2", "", width, stack.FeedForward));
        return tensors;

        SpeechTensor Norm(string own, string inFolder) => isStreaming
            ? new SpeechTensor($"{name}{own}.weight", $"{folder}{inFolder}.gamma", "", [width]) { Offset = 1 }
            : new SpeechTensor($"{name}{own}.weight", $"{folder}{inFolder}.weight", "", [width]);

        IEnumerable<SpeechTensor> Attention(string own, string inFolder, int keyInputs) =>
        [
            .. SpeechTensor.Linear($"{name}{own}_q", $"{folder}{inFolder}.q_proj", "", stack.QueryWidth, width, hasBias: null),
            .. SpeechTensor.Linear($"{name}{own}_k", $"{folder}{inFolder}.k_proj", "", stack.KeyWidth, keyInputs, hasBias: null),
            .. SpeechTensor.Linear($"{name}{own}_v", $"{folder}{inFolder}.v_proj", "", stack.KeyWidth, keyInputs, hasBias: null),
            .. SpeechTensor.Linear($"{name}{own}_o", $"{folder}{inFolder}.o_proj", "", width, stack.QueryWidth, hasBias: null),
        ];
    }
}
