using EdgeLlm.Kernels;

namespace EdgeLlm.Models;

/// <summary>
/// How the parts of a <see cref="KvCache"/> that others keep are laid out: pages and checkpoints. Of a page, entry by entry and head by
/// head: keys [dimension][32], values [32][dimension], and of I8 the scales of both [32].
/// </summary>
internal sealed class PageLayout
{
    private readonly CacheEntry[] _entries;
    private readonly KeyValueType _type;

    public PageLayout(CacheEntry[] entries, KeyValueType type)
    {
        (_entries, _type) = (entries, type);
        PageBytes = entries.Sum(entry => entry.PageBytes);
        CheckpointBytes = entries.Sum(entry => entry.CheckpointBytes);
        Name = string.Join(' ', entries.Select(entry => entry.LayoutName).Prepend(type.ToString()));
    }

    /// <summary>Bytes of a page; 0: no entry holds all positions.</summary>
    public long PageBytes { get; }

    /// <summary>Bytes of a checkpoint; 0: pages alone are enough to continue from any length.</summary>
    public long CheckpointBytes { get; }

    /// <summary>Equal where one cache can take another's pages and checkpoints.</summary>
    public string Name { get; }

    /// <summary>Zeros a page's positions from <paramref name="first"/> on: they are of another text.</summary>
    public void ClearPositions(Span<byte> page, int first)
    {
        const int Positions = KvCache.PagePositions;
        int element = KeyValueHead.ElementBytes(_type), rest = Positions - first;
        foreach (CacheEntry entry in _entries.Where(entry => entry.PageBytes > 0))
        {
            int dimension = entry.KeyValue!.Dimension;
            for (int head = 0; head < entry.KeyValue.Heads; head++)
            {
                for (int i = 0; i < dimension; i++) page.Slice((i * Positions + first) * element, rest * element).Clear();
                page = page[(Positions * dimension * element)..];
                page.Slice(first * dimension * element, rest * dimension * element).Clear();
                page = page[(Positions * dimension * element)..];
                if (_type != KeyValueType.I8) continue;
                page.Slice(first * sizeof(float), rest * sizeof(float)).Clear();
                page.Slice((Positions + first) * sizeof(float), rest * sizeof(float)).Clear();
                page = page[(2 * Positions * sizeof(float))..];
            }
        }
    }
}
