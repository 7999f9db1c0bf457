using System.Text;

namespace EdgeLlm.Speech.Phonemes;

/// <summary>The signs of a voice's phonemes and their numbers.</summary>
internal sealed class VoiceSigns
{
    private readonly Dictionary<char, int> _ids = [];

    /// <exception cref="ModelException">The voice's list is damaged.</exception>
    public VoiceSigns(TextParts parts)
    {
        foreach (string line in Encoding.UTF8.GetString(parts[TextParts.Phonemes].Span).Split('\n'))
        {
            if (line.Length < 2 || !int.TryParse(line.AsSpan(1), out int id) || id <= 0 || !_ids.TryAdd(line[0], id))
                throw new ModelException(parts.Source, "the list of the voice's phonemes is damaged");
        }
    }

    /// <summary>Largest number of a sign.</summary>
    public int LargestId => _ids.Values.Max();

    /// <summary>Whether the voice has a sign.</summary>
    public bool Has(char sign) => _ids.ContainsKey(sign);

    /// <summary>0, the number of each sign that the voice has, 0.</summary>
    public int[] Ids(string phonemes)
    {
        var ids = new List<int>(phonemes.Length + 2) { 0 };
        foreach (char sign in phonemes)
        {
            if (_ids.TryGetValue(sign, out int id)) ids.Add(id);
        }
        ids.Add(0);
        return [.. ids];
    }
}
