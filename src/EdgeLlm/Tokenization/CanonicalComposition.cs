using System.Collections.Frozen;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;

namespace EdgeLlm.Tokenization;

/// <summary>
/// Unicode's normalization forms (UAX 15): in form C a letter and its marks become one character where there is one. (.NET has them only
/// where it has ICU, and the invariant mode that EdgeLlm runs in does without.)
/// </summary>
internal static class CanonicalComposition
{
    private const string Resource = "EdgeLlm.Tokenization.canonical.txt", CompatibleResource = "EdgeLlm.Tokenization.compatible.txt";
    private const byte FirstMark = 0xCC; // what U+0300, the first character that form C may change, begins with

    // Hangul syllables: a consonant L, a vowel V, perhaps a final consonant T (UAX 15, "Hangul").
    private const int SyllableBase = 0xAC00, LeadBase = 0x1100, VowelBase = 0x1161, TailBase = 0x11A7;
    private const int LeadCount = 19, VowelCount = 21, TailCount = 28, SyllableCount = LeadCount * VowelCount * TailCount;

    private static readonly Lazy<Table> Data = new(Table.Read);
    private static readonly Lazy<FrozenDictionary<int, int[]>> Compatible = new(ReadCompatible);

    /// <summary>False where the text may change; cheap.</summary>
    public static bool IsComposed(ReadOnlySpan<byte> utf8) => utf8.IndexOfAnyInRange(FirstMark, (byte)0xFF) < 0;

    /// <summary>The text in form C.</summary>
    /// <param name="utf8">Valid UTF-8.</param>
    public static byte[] Compose(ReadOnlySpan<byte> utf8) => Normalize(utf8, isCompatible: false, composes: true);

    /// <summary>The text in form C, D, KC or KD.</summary>
    /// <param name="utf8">Valid UTF-8.</param>
    /// <param name="isCompatible">Whether characters that only look otherwise become the usual ones (KC, KD).</param>
    /// <param name="composes">Whether marks are put together with their letters (C, KC), instead of taken apart.</param>
    public static byte[] Normalize(ReadOnlySpan<byte> utf8, bool isCompatible, bool composes)
    {
        List<(int Character, byte Class)> characters = new(utf8.Length);
        for (int i = 0, width; i < utf8.Length; i += width)
        {
            width = Utf8.WidthAt(utf8, i);
            Decompose(Utf8.CodePoint(utf8, i, width), isCompatible, characters);
        }
        SortMarks(characters);
        int count = composes ? Compose(CollectionsMarshal.AsSpan(characters)) : characters.Count;
        byte[] composed = new byte[4 * count];
        int length = 0;
        for (int i = 0; i < count; i++) length += new Rune(characters[i].Character).EncodeToUtf8(composed.AsSpan(length));
        return composed[..length];
    }

    private static void Decompose(int character, bool isCompatible, List<(int, byte)> output)
    {
        int syllable = character - SyllableBase;
        if ((uint)syllable < SyllableCount)
        {
            output.Add((LeadBase + syllable / (VowelCount * TailCount), 0));
            output.Add((VowelBase + syllable % (VowelCount * TailCount) / TailCount, 0));
            if (syllable % TailCount != 0) output.Add((TailBase + syllable % TailCount, 0));
        }
        else if (Data.Value.Parts.TryGetValue(character, out (int First, int Second) parts))
        {
            Decompose(parts.First, isCompatible, output);
            if (parts.Second != 0) Decompose(parts.Second, isCompatible, output);
        }
        else if (isCompatible && Compatible.Value.TryGetValue(character, out int[]? all))
        {
            foreach (int part in all) Decompose(part, isCompatible, output);
        }
        else
        {
            output.Add((character, Data.Value.Classes.GetValueOrDefault(character)));
        }
    }

    /// <summary>Marks that follow each other are put in the order of their classes; those of one class stay as they are.</summary>
    private static void SortMarks(List<(int Character, byte Class)> characters)
    {
        for (int i = 0; i < characters.Count; i++)
        {
            int first = i;
            while (i < characters.Count && characters[i].Class != 0) i++;
            if (i - first < 2) continue;
            (int, byte)[] sorted = [.. characters[first..i].OrderBy(mark => mark.Class)];
            sorted.CopyTo(CollectionsMarshal.AsSpan(characters)[first..]);
        }
    }

    /// <summary>Puts pairs together, and the results to the front; returns how many characters are left.</summary>
    private static int Compose(Span<(int Character, byte Class)> characters)
    {
        int count = 0, starter = -1; // the last character that marks may be put on
        foreach ((int character, byte @class) in characters)
        {
            // What has a mark of its class, or something that is no mark, between it and its starter stays alone.
            bool isNext = starter >= 0 && (starter == count - 1 || characters[count - 1].Class is > 0 and var before && before < @class);
            if (isNext && Pair(characters[starter].Character, character) is { } pair)
            {
                characters[starter] = (pair, 0);
                continue;
            }
            if (@class == 0) starter = count;
            characters[count++] = (character, @class);
        }
        return count;
    }

    private static int? Pair(int first, int second)
    {
        int lead = first - LeadBase, vowel = second - VowelBase, syllable = first - SyllableBase, tail = second - TailBase;
        if ((uint)lead < LeadCount && (uint)vowel < VowelCount) return SyllableBase + (lead * VowelCount + vowel) * TailCount;
        if ((uint)syllable < SyllableCount && syllable % TailCount == 0 && tail is > 0 and < TailCount) return first + tail;
        return Data.Value.Pairs.TryGetValue((first, second), out int pair) ? pair : null;
    }

    private static IEnumerable<string> EntriesOf(string resource)
    {
        using Stream stream = typeof(CanonicalComposition).Assembly.GetManifestResourceStream(resource)
            ?? throw new InvalidOperationException($"{resource} is not in the program");
        using var reader = new StreamReader(stream);
        while (reader.ReadLine() is { } line)
        {
            if (line.StartsWith('#')) continue;
            foreach (string entry in line.Split(' ', StringSplitOptions.RemoveEmptyEntries)) yield return entry;
        }
    }

    /// <summary>FB01>66+69, as the file's head explains.</summary>
    private static FrozenDictionary<int, int[]> ReadCompatible() => EntriesOf(CompatibleResource).Select(entry => entry.Split('>'))
        .ToFrozenDictionary(sides => Hexadecimal(sides[0]), sides => sides[1].Split('+').Select(Hexadecimal).ToArray());

    private static int Hexadecimal(string number) => int.Parse(number, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);

    /// <param name="Parts">What a character decomposes to in one step; the second part may be 0.</param>
    /// <param name="Pairs">What two characters become.</param>
    /// <param name="Classes">Canonical combining classes other than 0.</param>
    private sealed record Table(FrozenDictionary<int, (int, int)> Parts, FrozenDictionary<(int, int), int> Pairs,
        FrozenDictionary<int, byte> Classes)
    {
        public static Table Read()
        {
            var parts = new Dictionary<int, (int, int)>();
            var pairs = new Dictionary<(int, int), int>();
            var classes = new Dictionary<int, byte>();
            foreach (string entry in EntriesOf(Resource)) ReadEntry(entry, parts, pairs, classes);
            return new Table(parts.ToFrozenDictionary(), pairs.ToFrozenDictionary(), classes.ToFrozenDictionary());
        }

        /// <summary>C0=41+300, 340>300 or 300-314:230, as the file's head explains.</summary>
        private static void ReadEntry(string entry, Dictionary<int, (int, int)> parts, Dictionary<(int, int), int> pairs,
            Dictionary<int, byte> classes)
        {
            string[] sides = entry.Split('=', '>', ':');
            int[] left = [.. sides[0].Split('-').Select(Hexadecimal)];
            if (entry.Contains(':', StringComparison.Ordinal))
            {
                for (int character = left[0]; character <= left[^1]; character++)
                    classes.Add(character, byte.Parse(sides[1], CultureInfo.InvariantCulture));
                return;
            }
            int[] right = [.. sides[1].Split('+').Select(Hexadecimal)];
            (int, int) pair = (right[0], right.Length > 1 ? right[1] : 0);
            parts.Add(left[0], pair);
            if (entry.Contains('=', StringComparison.Ordinal)) pairs.Add(pair, left[0]);
        }

    }
}
