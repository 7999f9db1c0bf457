using System.Buffers.Binary;
using EdgeLlm.Fuzz.Inputs;
using EdgeLlm.Generation;
using EdgeLlm.Kernels;
using EdgeLlm.Models;
using EdgeLlm.Sampling;

namespace EdgeLlm.Fuzz.Targets;

/// <summary>Saved conversations: loaded, then asked another question.</summary>
internal static class SessionTarget
{
    // ChatSession.Save: mark, fingerprint, length of the JSON, JSON, cache.
    private const int LengthAt = 9 + 32, JsonAt = LengthAt + 4;

    private static readonly GenerationOptions FourTokens =
        new() { MaxTokens = 4, Sampling = SamplingOptions.Greedy, IgnoreEndOfText = true };
    private static readonly string[] Names = ["system", "messages", "tokens", "role", "content"];

    private static readonly Lazy<(ChatSession Session, byte[] Saved)[]> Sessions =
        new(() => [.. new[] { KeyValueType.F16, KeyValueType.F32, KeyValueType.I8 }.Select(Create)]);

    public static string? Run(FuzzCase current)
    {
        Dice dice = current.Dice;
        (ChatSession session, byte[] saved) = dice.Of(Sessions.Value);
        byte[] mutant = Mutate(dice, saved);
        current.Begin(mutant.Length);
        session.Load(new MemoryStream(mutant));
        current.Planned();
        Ask(session, "and the thing?");
        using var again = new MemoryStream();
        session.Save(again);
        return null;
    }

    private static byte[] Mutate(Dice dice, byte[] saved)
    {
        int length = BinaryPrimitives.ReadInt32LittleEndian(saved.AsSpan(LengthAt));
        byte[] head = saved[..LengthAt], json = saved[JsonAt..(JsonAt + length)], cache = saved[(JsonAt + length)..];
        int? claimed = null;
        for (int count = dice.OneIn(16) ? 0 : dice.Mutations(); count > 0; count--)
        {
            switch (dice.Below(8))
            {
                case 0: head = dice.Damage(head); break;
                case 1: claimed = (int)dice.Integer((ulong)json.Length); break;
                case 2 when json.Length == length: json = JsonMutator.Mutate(dice, json, Names); break;
                case 2 or 3: json = dice.Damage(json); break;
                case 4:
                    BinaryPrimitives.WriteInt32LittleEndian(cache.AsSpan(Math.Min(dice.Pick(8, 12), cache.Length - 4)),
                        (int)dice.Integer(20)); break;
                case 5: cache = cache[..dice.Below(cache.Length)].Length < 16 ? cache : cache[..^1]; break;
                case 6: cache = [.. cache, .. dice.Bytes(dice.Below(100))]; break;
                default: Spoil(dice, cache); break;
            }
        }
        byte[] prefix = BitConverter.GetBytes(claimed ?? json.Length);
        return [.. head, .. prefix, .. json, .. cache];
    }

    /// <summary>Keys and values that are not finite, or huge.</summary>
    private static void Spoil(Dice dice, byte[] cache)
    {
        for (int count = dice.Pick(1, 4, 300); count > 0 && cache.Length > 24; count--)
        {
            int at = 16 + dice.Below(cache.Length - 20);
            if (dice.OneIn(2)) BitConverter.GetBytes(dice.Pick<ushort>(0x7C00, 0xFC00, 0x7E00, 0x7BFF, 0xFFFF)).CopyTo(cache, at & ~1);
            else BitConverter.GetBytes((float)dice.Number()).CopyTo(cache, at & ~3);
        }
    }

    private static (ChatSession, byte[]) Create(KeyValueType type)
    {
        var model = LanguageModel.Load(Samples.ModelPath, new ModelOptions { Threads = 1, CacheType = type });
        var session = new ChatSession(model, "Be brief.");
        Ask(session, "hi");
        using var saved = new MemoryStream();
        session.Save(saved);
        return (session, saved.ToArray());
    }

    private static void Ask(ChatSession session, string text)
    {
        IAsyncEnumerator<string> pieces = session.AskAsync(text, FourTokens).GetAsyncEnumerator();
        try
        {
            while (pieces.MoveNextAsync().AsTask().GetAwaiter().GetResult())
            {
            }
        }
        finally
        {
            pieces.DisposeAsync().AsTask().GetAwaiter().GetResult();
        }
    }
}
