namespace EdgeLlm.Speech.Phonemes;

/// <summary>Sentences of a text.</summary>
internal static class Sentences
{
    public static IEnumerable<string> Cut(string text)
    {
        foreach (string untrimmed in text.Split('\n'))
        {
            string line = untrimmed.Trim();
            int start = 0;
            for (int i = 1; i < line.Length; i++)
            {
                char stop = line[i - 1];
                if (stop is not ('.' or '!' or '?' or '…')) continue;
                int next = i;
                while (next < line.Length && line[next] is '"' or '”' or '’' or ')' or ']') next++;
                int after = next;
                while (next < line.Length && char.IsWhiteSpace(line[next])) next++;
                if (next == after || next == line.Length || char.IsLower(line[next])) continue;
                if (stop == '.')
                {
                    int space = line.LastIndexOf(' ', i - 1);
                    string word = line[(Math.Max(space, start - 1) + 1)..(i - 1)].TrimStart('(', '"', '“', '\'', '‘');
                    if (word is "Mr" or "Mrs" or "Ms" or "Dr" or "Prof" or "St" or "Mt" or "Ft" or "Capt" || word.Length == 1 && char.IsUpper(word[0])) continue;
                }
                if (line[start..i].Trim().Length > 0) yield return line[start..i].Trim();
                start = next;
            }
            if (line[start..].Trim().Length > 0) yield return line[start..].Trim();
        }
    }
}
