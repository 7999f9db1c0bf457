namespace EdgeLlm.Speech.Recognition;

/// <summary>Languages by their codes and English names, as openai/whisper's tokenizer.py has them.</summary>
public static class LanguageNames
{
    // In the order of the language tokens.
    private const string Table =
        "en english zh chinese de german es spanish ru russian ko korean fr french ja japanese pt portuguese tr turkish pl polish ca "
            + "catalan nl dutch ar arabic sv swedish it italian id indonesian "
        + "hi hindi fi finnish vi vietnamese he hebrew uk ukrainian el greek ms malay cs czech ro romanian da danish hu hungarian ta "
        + "tamil no norwegian th thai ur urdu hr croatian bg bulgarian "
        + "lt lithuanian la latin mi maori ml malayalam cy welsh sk slovak te telugu fa persian lv latvian bn bengali sr serbian az "
        + "azerbaijani sl slovenian kn kannada et estonian mk macedonian "
        + "br breton eu basque is icelandic hy armenian ne nepali mn mongolian bs bosnian kk kazakh sq albanian sw swahili gl galician "
        + "mr marathi pa punjabi si sinhala km khmer sn shona yo yoruba "
        + "so somali af afrikaans oc occitan ka georgian be belarusian tg tajik sd sindhi gu gujarati am amharic yi yiddish lo lao uz "
        + "uzbek fo faroese ht haitian_creole ps pashto tk turkmen "
        + "nn nynorsk mt maltese sa sanskrit lb luxembourgish my myanmar bo tibetan tl tagalog mg malagasy as assamese tt tatar haw "
        + "hawaiian ln lingala ha hausa ba bashkir jw javanese su sundanese yue cantonese";

    private static readonly (string Code, string Name)[] All =
        [.. Table.Split(' ').Chunk(2).Select(pair => (pair[0], pair[1].Replace('_', ' ')))];

    /// <summary>The codes in the order of Whisper's language tokens.</summary>
    public static IReadOnlyList<string> Codes { get; } = [.. All.Select(language => language.Code)];

    /// <summary>The name of a code, such as `english` of `en`; an unknown code itself.</summary>
    public static string NameOf(string code) => All.FirstOrDefault(language => language.Code == code).Name ?? code;

    /// <summary>The code of a code in any case, a tag such as `en-US`, or a name; null: it is none that is known.</summary>
    public static string? CodeOf(string language)
    {
        string text = language.Trim().ToLowerInvariant(), first = text.Split('-', '_')[0];
        return All.FirstOrDefault(known => known.Code == text || known.Name == text).Code
            ?? All.FirstOrDefault(known => known.Code == first).Code;
    }
}
