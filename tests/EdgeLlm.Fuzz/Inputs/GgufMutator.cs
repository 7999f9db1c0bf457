using System.Buffers.Binary;
using System.Text;
using EdgeLlm.Kernels.Formats;

namespace EdgeLlm.Fuzz.Inputs;

/// <summary>Damages a GGUF file field by field.</summary>
internal sealed class GgufMutator(Dice dice, GgufDocument document)
{
    /// <summary>Keys that readers look for and a sample may not have: they are added with odd values.</summary>
    private static readonly string[] KnownKeys =
    [
        .. new[]
        {
            "attention.key_length", "attention.value_length", "attention.sliding_window", "attention.causal", "attention.scale",
            "rope.dimension_count", "rope.freq_base", "rope.scaling.type",
            "rope.scaling.factor", "rope.scale_linear", "rope.scaling.original_context_length", "rope.scaling.attn_factor",
            "rope.scaling.yarn_beta_fast", "rope.scaling.yarn_beta_slow",
            "rope.scaling.finetuned", "expert_count", "expert_used_count", "vocab_size", "tensor_data_layout", "logit_scale",
            "context_length", "block_count", "embedding_length", "pooling_type",
        }.Select(key => "llama." + key),
        .. new[]
        {
            "model", "pre", "tokens", "scores", "token_type", "merges", "bos_token_id", "eos_token_id", "eot_token_id", "eom_token_id",
            "unknown_token_id", "seperator_token_id", "padding_token_id",
            "cls_token_id", "mask_token_id", "add_bos_token", "add_eos_token", "add_sep_token", "add_space_prefix",
            "remove_extra_whitespaces", "precompiled_charsmap", "normalizer.lowercase",
            "normalizer.strip_accents",
        }.Select(key => "tokenizer.ggml." + key),
        "general.alignment", "general.name", "general.file_type", "general.architecture", "tokenizer.chat_template",
        "edgellm.tokenizer.normalizer", "edgellm.tokenizer.clean_up_spaces",
        "edgellm.version", "edgellm.packed.names", "edgellm.packed.rows", "edgellm.packed.columns", "edgellm.packed.kinds",
        "edgellm.packed.codebooks", "edgellm.packed.rotations",
        "split.no", "split.count", "split.tensors.count",
    ];

    private static readonly string[] KnownTensors =
    [
        "blk.0.attn_q.bias", "blk.1.ffn_down.bias", "output.weight", "output.bias", "rope_freqs.weight", "blk.0.attn_q_norm.weight",
        "blk.0.ffn_gate_inp.weight", "blk.2.attn_q.weight",
        "token_types.weight", "position_embd.weight", "blk.0.attn_rot_embd", "token_embd.weight",
    ];

    private static readonly ElementType[] Types = [.. Enum.GetValues<ElementType>()];

    /// <summary>Damages the document, then sometimes the bytes that it becomes.</summary>
    public static byte[] Mutate(Dice dice, GgufDocument sample)
    {
        GgufDocument document = sample.Clone();
        var mutator = new GgufMutator(dice, document);
        for (int count = dice.OneIn(16) ? 0 : dice.Mutations(); count > 0; count--) mutator.MutateOnce();
        byte[] bytes = document.ToArray();
        return dice.OneIn(6) ? dice.Damage(bytes) : bytes;
    }

    private void MutateOnce()
    {
        switch (dice.Below(24))
        {
            case 0 when document.Keys.Count > 1: document.Keys.RemoveAt(IndexOfKey()); break;
            case 1: document.Keys.Insert(IndexOfKey(), Copy(document.Keys[IndexOfKey()])); break;
            case 2: document.Keys[IndexOfKey()].Name = dice.OneIn(2) ? Utf8(dice.Of(KnownKeys)) : dice.TextBytes(); break;
            case 3: SwapValues(); break;
            case 4: document.Keys[IndexOfKey()].Type = dice.OneIn(8) ? (uint)dice.Integer() : (uint)dice.Below(14); break;
            case 5 when dice.OneIn(2): document.KeyCount = dice.Integer((ulong)document.Keys.Count); break;
            case 5: document.TensorCount = dice.Integer((ulong)document.Tensors.Count); break;
            case 6: document.Version = dice.Pick<uint>(0, 1, 2, 3, 4, 0x03000000, (uint)dice.Integer()); break;
            case 7: document.Keys[IndexOfKey()].NameLength = dice.Integer(); break;
            case 8 or 9 or 10 or 11: MutateValue(document.Keys[IndexOfKey()]); break;
            case 12: Multiply(); break;
            case 13 or 14: AddKey(); break;
            case 15: Edit(tensor => document.Tensors.Remove(tensor)); break;
            case 16: Edit(tensor => document.Tensors.Add(Copy(tensor, dice.OneIn(2) ? tensor.Name : Utf8(dice.Of(KnownTensors))))); break;
            case 17: Edit(tensor => (tensor.Name, Other().Name) = (Other().Name, tensor.Name)); break;
            case 18: Edit(Reshape); break;
            case 19: Edit(Retype); break;
            case 20: Edit(tensor => tensor.Offset = dice.OneIn(2) ? dice.Integer() : (ulong)dice.Below(1 << 16) * 32); break;
            case 21 or 22: Edit(Spoil); break;
            default: Edit(tensor => tensor.Data = dice.Damage(tensor.Data)); break;
        }
    }

    private int IndexOfKey() => dice.Below(document.Keys.Count);

    private void SwapValues()
    {
        GgufDocument.Key first = dice.Of(document.Keys), second = dice.Of(document.Keys);
        (first.Value, second.Value) = (second.Value, first.Value);
        if (dice.OneIn(2)) (first.Type, second.Type) = (second.Type, first.Type);
    }

    private GgufDocument.Tensor Other() => dice.Of(document.Tensors);

    private void Edit(Action<GgufDocument.Tensor> edit)
    {
        if (document.Tensors.Count > 0) edit(Other());
    }

    private void AddKey()
    {
        (uint type, byte[] value) = RandomValue(depth: 0);
        var key = new GgufDocument.Key(Utf8(dice.Of(KnownKeys)), type, value);
        if (dice.OneIn(2)) document.Keys.RemoveAll(other => other.Name.AsSpan().SequenceEqual(key.Name));
        document.Keys.Insert(dice.Below(document.Keys.Count + 1), key);
    }

    private void MutateValue(GgufDocument.Key key)
    {
        int width = GgufDocument.WidthOf(key.Type);
        if (dice.OneIn(8)) (key.Type, key.Value) = RandomValue(depth: 0);
        else if (key.Type == GgufDocument.StringType) key.Value = TextValue(dice.TextBytes());
        else if (key.Type == GgufDocument.ArrayType) key.Value = MutateArray(key.Value);
        else if (key.Type is 6 or 12) key.Value = Float(key.Type, dice.Number());
        else if (width > 0 && key.Value.Length == width) key.Value = Integer(dice.Integer(ReadInteger(key.Value)), width);
        else key.Value = dice.Damage(key.Value);
    }

    private byte[] MutateArray(byte[] value)
    {
        if (value.Length < 12) return value;
        byte[] copy = [.. value];
        uint type = BinaryPrimitives.ReadUInt32LittleEndian(copy);
        ulong count = BinaryPrimitives.ReadUInt64LittleEndian(copy.AsSpan(4));
        int width = GgufDocument.WidthOf(type);
        int items = width > 0 ? (copy.Length - 12) / width : 0;
        switch (dice.Below(6))
        {
            case 0:
                BinaryPrimitives.WriteUInt64LittleEndian(copy.AsSpan(4), dice.Integer(count));
                return copy;
            case 1:
                BinaryPrimitives.WriteUInt32LittleEndian(copy, (uint)dice.Below(14));
                return copy;
            case 2 when items > 0:
                // Fewer or more items, and the count says so.
                int kept = dice.OneIn(2) ? dice.Below(items) : items + 1 + dice.Below(8);
                Array.Resize(ref copy, 12 + kept * width);
                BinaryPrimitives.WriteUInt64LittleEndian(copy.AsSpan(4), (ulong)kept);
                return copy;
            case 3 or 4 when items > 0:
                for (int edits = dice.Mutations(); edits > 0; edits--)
                {
                    Span<byte> item = copy.AsSpan(12 + dice.Below(items) * width, width);
                    (type is 6 or 12 ? Float(type, dice.Number()) : Integer(dice.Integer(ReadInteger(item)), width)).CopyTo(item);
                }
                return copy;
            default:
                return [.. copy[..12], .. dice.Damage(copy[12..])];
        }
    }

    private (uint Type, byte[] Value) RandomValue(int depth)
    {
        uint type = (uint)dice.Below(13);
        switch (type)
        {
            case GgufDocument.StringType:
                return (type, TextValue(dice.TextBytes()));
            case 6 or 12:
                return (type, Float(type, dice.Number()));
            case GgufDocument.ArrayType:
                var bytes = new List<byte>();
                (uint itemType, byte[] first) = depth < 40 ? RandomValue(depth + 1) : (0u, [0]);
                int count = dice.Pick(0, 1, 2, 16, 320);
                bytes.AddRange(BitConverter.GetBytes(itemType));
                bytes.AddRange(BitConverter.GetBytes(dice.OneIn(8) ? dice.Integer() : (ulong)count));
                for (int i = 0; i < count && bytes.Count < 1 << 16; i++) bytes.AddRange(first);
                return (type, [.. bytes]);
            default:
                return (type, Integer(dice.Integer(), GgufDocument.WidthOf(type)));
        }
    }

    /// <summary>Two sizes whose product wraps to what it was, such as head_count x key_length.</summary>
    private void Multiply()
    {
        GgufDocument.Key[] sizes =
            [.. document.Keys.Where(key => key.Type is 4 or 5 && key.Value.Length == 4
                && key.Text.StartsWith("llama.", StringComparison.Ordinal))];
        if (sizes.Length < 2) return;
        GgufDocument.Key first = dice.Of(sizes), second = dice.Of(sizes);
        if (dice.OneIn(2) && document.Find("llama.attention.head_count") is { } heads
            && document.Find("llama.attention.key_length") is { } length)
            (first, second) = (heads, length);
        if (dice.Overflowing(ReadInteger(first.Value) * ReadInteger(second.Value)) is not { } factors) return;
        (ulong large, ulong small) = dice.OneIn(2) ? factors : (factors.Second, factors.First);
        (first.Value, second.Value) = (Integer(large, 4), Integer(small, 4));
    }

    private void Reshape(GgufDocument.Tensor tensor)
    {
        int at = dice.Below(tensor.Shape.Length);
        switch (dice.Below(7))
        {
            case 0: Array.Reverse(tensor.Shape); break;
            case 1: tensor.Shape = [.. tensor.Shape, dice.Pick<ulong>(0, 1, 2, dice.Integer())]; break;
            case 2: tensor.Shape = tensor.Shape.Length == 1 ? [1, tensor.Shape[0]] : tensor.Shape[..^1]; break;
            case 3: tensor.Dimensions = (uint)dice.Integer((ulong)tensor.Shape.Length); break;
            case 4 when tensor.Shape.Length > 1:
                if (dice.Overflowing(tensor.Shape[0] * tensor.Shape[1]) is { } factors) (tensor.Shape[0], tensor.Shape[1]) = factors;
                break;
            case 5 when tensor.Shape.Length > 1: // the shape is another, and the data has its bytes
                tensor.Shape[at] = (ulong)(1 + dice.Below(300));
                Resize(tensor);
                break;
            default: tensor.Shape[at] = dice.Integer(tensor.Shape[at]); break;
        }
    }

    private void Retype(GgufDocument.Tensor tensor)
    {
        if (dice.OneIn(3))
        {
            tensor.Type = dice.OneIn(4) ? (uint)dice.Integer() : (uint)dice.Below(45);
            return;
        }
        tensor.Type = (uint)dice.Of(Types);
        Resize(tensor);
    }

    private void Resize(GgufDocument.Tensor tensor)
    {
        try
        {
            long bytes = tensor.TrueBytes;
            if (bytes <= 4 << 20) tensor.Data = RandomWeights.Of((ElementType)tensor.Type, (int)bytes, dice);
        }
        catch (ArgumentOutOfRangeException)
        {
            // No such shape of such a type: that is for the reader to find.
        }
    }

    /// <summary>Numbers that are not finite, huge or tiny among the weights.</summary>
    private void Spoil(GgufDocument.Tensor tensor)
    {
        if (tensor.Data.Length < 8) return;
        byte[] data = [.. tensor.Data];
        for (int edits = dice.OneIn(4) ? data.Length / 8 : dice.Mutations(); edits > 0; edits--)
        {
            int width = tensor.Type == 0 ? 4 : 2, at = dice.Below(data.Length / width) * width;
            byte[] number = width == 4 ? Float(6, dice.Number())
                : BitConverter.GetBytes(
                    dice.Pick<ushort>(0x7C00, 0xFC00, 0x7E00, 0x7BFF, 0x0001, 0x8000, 0x7F80, 0xFFFF, (ushort)dice.Below(65536)));
            number.CopyTo(data, at);
        }
        tensor.Data = data;
    }

    private static GgufDocument.Key Copy(GgufDocument.Key key) => new(key.Name, key.Type, key.Value);

    private static GgufDocument.Tensor Copy(GgufDocument.Tensor tensor, byte[] name) =>
        new() { Name = name, Shape = [.. tensor.Shape], Type = tensor.Type, Data = tensor.Data };

    private static ulong ReadInteger(ReadOnlySpan<byte> bytes)
    {
        ulong value = 0;
        for (int i = Math.Min(8, bytes.Length) - 1; i >= 0; i--) value = value << 8 | bytes[i];
        return value;
    }

    private static byte[] Integer(ulong value, int width) => BitConverter.GetBytes(value)[..width];

    private static byte[] Float(uint type, double value) => type == 6 ? BitConverter.GetBytes((float)value) : BitConverter.GetBytes(value);

    private static byte[] TextValue(byte[] text) => [.. BitConverter.GetBytes((ulong)text.Length), .. text];

    private static byte[] Utf8(string text) => Encoding.UTF8.GetBytes(text);
}
