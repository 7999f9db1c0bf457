using System.Buffers.Binary;
using System.Collections;
using System.Text;

namespace EdgeLlm.Gguf;

/// <summary>
/// An array of strings, such as a vocabulary, as it is in the file: four bytes of memory an item, and a string is made
/// only when it is asked for. Usable until the file is disposed.
/// </summary>
public sealed class GgufStringArray : IReadOnlyList<string>
{
    private readonly ReadOnlyMemory<byte> _items; // for each item its length (uint64), then its bytes
    private readonly int[] _ends;

    /// <param name="items">The items of an array that the reader has checked, one after the other.</param>
    /// <param name="count">Their number.</param>
    internal GgufStringArray(ReadOnlyMemory<byte> items, int count)
    {
        _items = items;
        _ends = new int[count];
        ReadOnlySpan<byte> bytes = items.Span;
        int end = 0;
        for (int index = 0; index < count; index++)
        {
            end += sizeof(ulong) + (int)BinaryPrimitives.ReadUInt64LittleEndian(bytes[end..]);
            _ends[index] = end;
        }
    }

    /// <inheritdoc/>
    public int Count => _ends.Length;

    /// <summary>An item as text; bytes that are not UTF-8 become U+FFFD.</summary>
    public string this[int index] => Encoding.UTF8.GetString(Utf8(index));

    /// <summary>The bytes of an item, without a copy: valid until the file is disposed.</summary>
    public ReadOnlySpan<byte> Utf8(int index)
    {
        int start = (index == 0 ? 0 : _ends[index - 1]) + sizeof(ulong);
        return _items.Span[start.._ends[index]];
    }

    /// <inheritdoc/>
    public IEnumerator<string> GetEnumerator()
    {
        for (int index = 0; index < Count; index++) yield return this[index];
    }

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}
