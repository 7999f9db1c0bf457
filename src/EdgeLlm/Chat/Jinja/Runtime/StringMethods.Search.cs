using EdgeLlm.Chat.Jinja.Values;

namespace EdgeLlm.Chat.Jinja.Runtime;

internal static partial class StringMethods
{
    private static BooleanValue HasAffix(Rendering rendering, StringValue self, Arguments arguments, bool isPrefix)
    {
        Value?[] values = arguments.Bind(rendering, isPrefix ? "startswith" : "endswith", 1, "affix", "start", "end");
        (int start, int end) = Range(rendering, self, values[1], values[2]);
        if (values[0] is not ListValue { IsTuple: true } affixes) return BooleanValue.Of(Has(values[0]!));
        foreach (Value affix in affixes.Items)
            if (Has(affix)) return BooleanValue.True;
        return BooleanValue.False;

        bool Has(Value value)
        {
            string affix = rendering.ToString(value).Text;
            rendering.Step(affix.Length >> 5);
            if (start < 0) return false;
            ReadOnlySpan<char> range = self.Text.AsSpan(start, end - start);
            return isPrefix ? range.StartsWith(affix) : range.EndsWith(affix);
        }
    }

    private static StringValue RemoveAffix(Rendering rendering, StringValue self, Arguments arguments, bool isPrefix)
    {
        string affix = rendering.ToString(arguments.Bind(rendering, isPrefix ? "removeprefix" : "removesuffix", 1, "affix")[0]!).Text;
        int rest = self.Text.Length - affix.Length;
        if (isPrefix && self.Text.StartsWith(affix, StringComparison.Ordinal)) return self.Slice(rendering, affix.Length, rest);
        return !isPrefix && self.Text.EndsWith(affix, StringComparison.Ordinal) ? self.Slice(rendering, 0, rest) : self;
    }

    private static IntegerValue Find(Rendering rendering, StringValue self, Arguments arguments, bool last, bool mustExist)
    {
        Value?[] values = arguments.Bind(rendering, last ? "rfind" : "find", 1, "sub", "start", "end");
        string wanted = rendering.ToString(values[0]!).Text;
        (int start, int end) = Range(rendering, self, values[1], values[2]);
        int at = start < 0 ? -1
            : last ? TextSearch.LastIndexOf(rendering, self.Text, wanted, start, end)
            : TextSearch.IndexOf(rendering, self.Text, wanted, start, end);
        if (at < 0 && mustExist) throw rendering.Fail("substring not found");
        return IntegerValue.Of(at < 0 ? -1 : self.PointOf(rendering, at));
    }

    private static IntegerValue Count(Rendering rendering, StringValue self, Arguments arguments)
    {
        Value?[] values = arguments.Bind(rendering, "count", 1, "sub", "start", "end");
        string wanted = rendering.ToString(values[0]!).Text;
        (int start, int end) = Range(rendering, self, values[1], values[2]);
        if (start < 0) return IntegerValue.Of(0);
        if (wanted.Length == 0) return IntegerValue.Of(self.PointOf(rendering, end) - self.PointOf(rendering, start) + 1);
        int count = 0;
        for (int at = start; (at = TextSearch.IndexOf(rendering, self.Text, wanted, at, end)) >= 0; at += wanted.Length) count++;
        return IntegerValue.Of(count);
    }

    private static StringValue Replace(Rendering rendering, StringValue self, Arguments arguments)
    {
        Value?[] values = arguments.Bind(rendering, "replace", 2, "old", "new", "count");
        StringValue replacement = rendering.ToString(values[1]!);
        if (self.IsMarkup) replacement = Markup.Escape(rendering, replacement);
        return Replace(rendering, self, rendering.ToString(values[0]!), replacement, values[2] is null ? -1 : rendering.ToInt(values[2]!));
    }

    /// <summary>Replaces the first occurrences of a text, all of them where the count is negative.</summary>
    public static StringValue Replace(Rendering rendering, StringValue self, StringValue old, StringValue replacement, int count)
    {
        TextBuilder text = new(rendering);
        int from = 0, at = 0;
        for (int replaced = 0; count < 0 || replaced < count; replaced++)
        {
            rendering.Step();
            at = TextSearch.IndexOf(rendering, self.Text, old.Text, at);
            if (at < 0) break;
            text.Append(self, from, at - from);
            text.Append(replacement);
            from = at + old.Text.Length;
            at = from;
            if (old.Text.Length > 0) continue;
            // An empty text is found before every character and at the end.
            if (at == self.Text.Length) break;
            at += self.UnitsAt(at);
        }
        if (from == 0 && text.Length == 0) return self;
        text.Append(self, from, self.Text.Length - from);
        return text.ToValue(self.IsMarkup);
    }

    private static ListValue Partition(Rendering rendering, StringValue self, Arguments arguments, bool last)
    {
        StringValue separator = rendering.ToString(arguments.Bind(rendering, "partition", 1, "sep")[0]!);
        int width = separator.Text.Length;
        if (width == 0) throw rendering.Fail("empty separator");
        int at = last
            ? TextSearch.LastIndexOf(rendering, self.Text, separator.Text, 0, self.Text.Length)
            : TextSearch.IndexOf(rendering, self.Text, separator.Text, 0);
        StringValue empty = StringValue.Empty.AsMarkup(self.IsMarkup);
        if (at < 0) return last ? ListValue.Tuple(empty, empty, self) : ListValue.Tuple(self, empty, empty);
        return ListValue.Tuple(self.Slice(rendering, 0, at), self.Slice(rendering, at, width),
            self.Slice(rendering, at + width, self.Text.Length - at - width));
    }

    /// <summary>
    /// Optional bounds in code points as a range of UTF-16 units; the start is -1 where nothing, not even the empty text, is
    /// between them.
    /// </summary>
    private static (int Start, int End) Range(Rendering rendering, StringValue self, Value? start, Value? end)
    {
        if (start is null && end is null) return (0, self.Text.Length);
        int length = self.PointCount(rendering);
        int first = Bound(start, 0), last = Math.Min(length, Bound(end, length));
        return first > last ? (-1, -1) : (self.UnitOf(rendering, first), self.UnitOf(rendering, last));

        int Bound(Value? bound, int absent)
        {
            if (bound is null or NoneValue) return absent;
            long position = rendering.ToInt(bound);
            return (int)Math.Max(0, position < 0 ? position + length : position);
        }
    }
}
