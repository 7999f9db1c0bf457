namespace EdgeLlm.Speech.Phonemes;

/// <summary>Words that are written alike and spoken in two ways, where the dictionaries have one or the tag is not enough.</summary>
internal static class Homographs
{
    private static readonly string[] Metal = ["pipe", "pipes", "paint", "poisoning", "acid", "weight", "weights", "shot", "pencil",
        "bullet", "bullets", "battery", "batteries", "solder"];

    private static readonly string[] Fish =
        ["fish", "fishing", "fishes", "lake", "boat", "sea", "striped", "largemouth", "caught", "catch", "grilled", "fillet"];

    /// <summary>
    /// Corrects tags by the word before: after `will` or `to` a word that can be a verb is one.
    /// </summary>
    /// <param name="isVerb">Whether the dictionary has a reading of the word as a verb.</param>
    public static void CorrectTags(List<WordToken> tokens, Func<string, bool> isVerb)
    {
        for (int i = 1; i < tokens.Count; i++)
        {
            if (tokens[i].Tag is "NN" or "NNP" && tokens[i - 1].Tag is "MD" or "TO" && isVerb(tokens[i].Text)) tokens[i].Tag = "VB";
        }
    }

    /// <summary>Gives words their reading by their neighbours.</summary>
    public static void Choose(List<WordToken> tokens)
    {
        for (int i = 0; i < tokens.Count; i++)
        {
            string word = tokens[i].Text.ToLowerInvariant();
            string before = i > 0 ? tokens[i - 1].Text.ToLowerInvariant() : "",
                after = i + 1 < tokens.Count ? tokens[i + 1].Text.ToLowerInvariant() : "";
            string? reading = word switch
            {
                "lead" when Metal.Contains(after) => "lˈɛd",
                "tear" or "tears" when tokens[i].Tag.StartsWith("VB", StringComparison.Ordinal)
                    || word == "tear" && after is "in" or "up" or "apart" or "down" => word == "tear" ? "tˈɛɹ" : "tˈɛɹz",
                "bass" when Fish.Contains(after) || Fish.Contains(before) => "bˈæs",
                _ => null,
            };
            if (reading is not null) tokens[i] = new WordToken(tokens[i].Text, tokens[i].Space) { Tag = tokens[i].Tag, Phonemes = reading };
        }
    }
}
