using EdgeLlm.Chat.Jinja.Values;

namespace EdgeLlm.Chat.Jinja.Runtime;

internal static partial class StringMethods
{
    private static StringValue Strip(Rendering rendering, StringValue self, Arguments arguments, bool left, bool right) =>
        Strip(rendering, self, arguments.Bind(rendering, "strip", 0, "chars")[0], left, right);

    /// <summary>Takes spaces, or any of the characters given, off one or both ends.</summary>
    public static StringValue Strip(Rendering rendering, StringValue self, Value? characters, bool left, bool right)
    {
        int[]? set = characters is null or NoneValue ? null : SortedPoints(rendering, rendering.ToString(characters));
        int start = 0, end = self.Text.Length;
        while (left && start < end && IsStripped(start)) start += self.UnitsAt(start);
        while (right && end > start && IsStripped(Before(end))) end = Before(end);
        rendering.Step((self.Text.Length - (end - start)) >> 2);
        return self.Slice(rendering, start, end - start);

        int Before(int unit) => unit - (unit >= 2 && self.UnitsAt(unit - 2) == 2 ? 2 : 1);

        bool IsStripped(int unit) => set is null
            ? PythonText.IsSpace(self.Text[unit])
            : Array.BinarySearch(set, self.PointAt(unit)) >= 0;
    }

    private static int[] SortedPoints(Rendering rendering, StringValue text)
    {
        rendering.AllocateItems(text.Text.Length);
        int[] points = new int[text.PointCount(rendering)];
        for (int unit = 0, i = 0; unit < text.Text.Length; unit += text.UnitsAt(unit)) points[i++] = text.PointAt(unit);
        Array.Sort(points);
        return points;
    }

    private static ListValue Split(Rendering rendering, StringValue self, Arguments arguments, bool fromRight)
    {
        Value?[] values = arguments.Bind(rendering, "split", 0, "sep", "maxsplit");
        int limit = values[1] is null ? -1 : rendering.ToInt(values[1]!);
        if (limit < 0) limit = int.MaxValue;
        rendering.Step(self.Text.Length >> 4);
        List<StringValue> parts = values[0] is null or NoneValue
            ? fromRight ? SplitSpacesFromRight(rendering, self, limit) : SplitSpaces(rendering, self, limit)
            : SplitAt(rendering, self, rendering.ToString(values[0]!).Text, limit, fromRight);
        rendering.AllocateItems(parts.Count);
        return new ListValue([.. parts]);
    }

    private static List<StringValue> SplitAt(Rendering rendering, StringValue self, string separator, int limit, bool fromRight)
    {
        if (separator.Length == 0) throw rendering.Fail("empty separator");
        List<StringValue> parts = [];
        int start = 0, end = self.Text.Length;
        while (parts.Count < limit)
        {
            int at = fromRight
                ? TextSearch.LastIndexOf(rendering, self.Text, separator, 0, end)
                : TextSearch.IndexOf(rendering, self.Text, separator, start);
            if (at < 0) break;
            int after = at + separator.Length;
            parts.Add(fromRight ? self.Slice(rendering, after, end - after) : self.Slice(rendering, start, at - start));
            if (fromRight) end = at;
            else start = after;
        }
        parts.Add(self.Slice(rendering, start, end - start));
        if (fromRight) parts.Reverse();
        return parts;
    }

    private static List<StringValue> SplitSpaces(Rendering rendering, StringValue self, int limit)
    {
        string text = self.Text;
        List<StringValue> parts = [];
        int at = 0;
        while (true)
        {
            while (at < text.Length && PythonText.IsSpace(text[at])) at++;
            if (at == text.Length) return parts;
            int start = at;
            if (parts.Count == limit)
            {
                parts.Add(self.Slice(rendering, start, text.Length - start));
                return parts;
            }
            while (at < text.Length && !PythonText.IsSpace(text[at])) at++;
            parts.Add(self.Slice(rendering, start, at - start));
        }
    }

    private static List<StringValue> SplitSpacesFromRight(Rendering rendering, StringValue self, int limit)
    {
        string text = self.Text;
        List<StringValue> parts = [];
        int end = text.Length;
        while (true)
        {
            while (end > 0 && PythonText.IsSpace(text[end - 1])) end--;
            if (end == 0) break;
            if (parts.Count == limit)
            {
                parts.Add(self.Slice(rendering, 0, end));
                break;
            }
            int start = end;
            while (start > 0 && !PythonText.IsSpace(text[start - 1])) start--;
            parts.Add(self.Slice(rendering, start, end - start));
            end = start;
        }
        parts.Reverse();
        return parts;
    }

    private static ListValue SplitLines(Rendering rendering, StringValue self, Arguments arguments)
    {
        bool keepEnds = arguments.Bind(rendering, "splitlines", 0, "keepends")[0]?.IsTrue ?? false;
        List<StringValue> lines = SplitLines(rendering, self, keepEnds);
        rendering.AllocateItems(lines.Count);
        return new ListValue([.. lines]);
    }

    public static List<StringValue> SplitLines(Rendering rendering, StringValue self, bool keepEnds)
    {
        string text = self.Text;
        rendering.Step(text.Length >> 4);
        List<StringValue> lines = [];
        for (int start = 0; start < text.Length;)
        {
            int end = start;
            while (end < text.Length && !PythonText.IsLineBreak(text[end])) end++;
            int next = end == text.Length ? end : text[end] == '\r' && end + 1 < text.Length && text[end + 1] == '\n' ? end + 2 : end + 1;
            lines.Add(self.Slice(rendering, start, (keepEnds ? next : end) - start));
            start = next;
        }
        return lines;
    }
}
