using EdgeLlm.Chat.Jinja.Values;

namespace EdgeLlm.Chat.Jinja.Runtime;

/// <summary>
/// Python's <c>sorted</c>: stable, and with an error where two keys have no order. The sorts of .NET wrap what a comparer throws,
/// so this is a merge sort of our own.
/// </summary>
internal static class Sorting
{
    public static List<T> Sort<T>(Rendering rendering, IReadOnlyList<T> items, Func<T, Value> key, bool descending = false)
    {
        rendering.AllocateItems(items.Count * 3L);
        (T Item, Value Key)[] sorted = [.. items.Select(item => (item, key(item)))];
        (T Item, Value Key)[] merged = new (T, Value)[sorted.Length];
        for (int width = 1; width < sorted.Length; width *= 2)
        {
            for (int start = 0; start < sorted.Length; start += 2 * width)
            {
                int middle = Math.Min(start + width, sorted.Length), end = Math.Min(middle + width, sorted.Length);
                for (int left = start, right = middle, i = start; i < end; i++)
                {
                    bool takeRight = left == middle || (right < end && Precedes(sorted[right].Key, sorted[left].Key));
                    merged[i] = takeRight ? sorted[right++] : sorted[left++];
                }
            }
            (sorted, merged) = (merged, sorted);
        }
        return [.. sorted.Select(pair => pair.Item)];

        bool Precedes(Value a, Value b)
        {
            int? order = Operators.Compare(rendering, a, b, "<");
            return descending ? order > 0 : order < 0;
        }
    }
}
