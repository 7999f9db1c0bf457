using System.Globalization;

namespace EdgeLlm.Speech.Phonemes;

/// <summary>Numbers in digits, with what is written onto them: signs, currencies, endings.</summary>
internal sealed partial class Lexicon
{
    private const double Unstressed = -2;

    private static readonly string[] NumberEndings = ["ing", "'d", "ed", "'s", "st", "nd", "rd", "th", "s"];

    private static string CurrencyName(string sign) => sign switch { "$" => "dollar", "£" => "pound", _ => "euro" };

    private static string CentName(string sign) => sign == "£" ? "pence" : "cent";

    private static bool IsNumber(string word, bool isHead)
    {
        if (!word.AsSpan().ContainsAnyInRange('0', '9')) return false;
        foreach (string ending in NumberEndings)
        {
            if (!word.EndsWith(ending, StringComparison.Ordinal)) continue;
            word = word[..^ending.Length];
            break;
        }
        for (int i = 0; i < word.Length; i++)
        {
            if (!char.IsAsciiDigit(word[i]) && word[i] is not (',' or '.') && !(isHead && i == 0 && word[i] == '-')) return false;
        }
        return true;
    }

    /// <summary>Phonemes of digits inside an unknown word.</summary>
    public string? ReadDigits(string digits) => ReadNumber(digits, "", isHead: false, countsThings: false);

    /// <summary>Phonemes of a number, or null where nothing of it can be said.</summary>
    private string? ReadNumber(string word, string currency, bool isHead, bool countsThings)
    {
        int end = word.Length;
        while (end > 0 && (word[end - 1] is >= 'a' and <= 'z' || word[end - 1] == '\'')) end--;
        string suffix = word[end..], number = word[..end];
        var spoken = new List<string>();
        bool minus = number.StartsWith('-');
        if (minus)
        {
            Append(spoken, LookUp("minus", "", null, null));
            number = number[1..];
        }
        if (!SayNumber(spoken, number, suffix, currency, isHead, minus, countsThings)) return null;
        string? phonemes = spoken.Count == 0 ? null : string.Join(' ', spoken);
        return suffix switch
        {
            "s" or "'s" => AddS(phonemes),
            "ed" or "'d" => AddEd(phonemes),
            "ing" => AddIng(phonemes),
            _ => phonemes,
        };
    }

    private bool SayNumber(List<string> spoken, string number, string suffix, string currency, bool isHead, bool minus, bool countsThings)
    {
        bool isOrdinal = suffix is "st" or "nd" or "rd" or "th", allDigits = IsDigits(number);
        int dots = number.AsSpan().Count('.');
        bool isCode = allDigits && number.Length > 1 && number[0] == '0' && !isOrdinal; // 007
        if (isCode && currency.Length == 0) SayDigits(spoken, number);
        else if (allDigits && isOrdinal) Say(spoken, NumberWords.Ordinal(NumberWords.Cardinal(number)));
        else if (allDigits && !minus && number.Length == 4 && currency.Length == 0
            && (!countsThings || number is ['1', '9', ..] or ['2', '0', ..]))
            Say(spoken, NumberWords.Year(int.Parse(number, CultureInfo.InvariantCulture)));
        else if (!isHead && dots == 0) SayAfterLetters(spoken, number.Replace(",", "", StringComparison.Ordinal));
        else if (dots > 1) SayParts(spoken, number.Replace(",", "", StringComparison.Ordinal));
        else if (currency.Length > 0 && HasCents(number)) SayMoney(spoken, number.Replace(",", "", StringComparison.Ordinal), currency);
        else SayPlain(spoken, number, isOrdinal);
        return true;
    }

    /// <summary>Digits joined to a word, as in `ARM64`, `x105`.</summary>
    private void SayAfterLetters(List<string> spoken, string number)
    {
        if (number.Length == 0) return;
        if (number[0] == '0' || number.Length > 3) SayDigits(spoken, number);
        else if (number.Length == 3 && !number.EndsWith("00", StringComparison.Ordinal))
        {
            SayDigits(spoken, number.AsSpan(0, 1));
            if (number[1] == '0')
            {
                Append(spoken, LookUp("O", "", Unstressed, null));
                SayDigits(spoken, number.AsSpan(2));
            }
            else Say(spoken, NumberWords.Cardinal(number.AsSpan(1)));
        }
        else Say(spoken, NumberWords.Cardinal(number));
    }

    /// <summary>Numbers between dots, each by itself: four are an address, others a version.</summary>
    private void SayParts(List<string> spoken, string number)
    {
        string[] parts = number.Split('.', StringSplitOptions.RemoveEmptyEntries);
        bool isAddress = parts.Length == 4 && parts.Any(static part => part.Length > 1) && parts.All(static part => part.Length <= 3);
        for (int i = 0; i < parts.Length; i++)
        {
            string part = parts[i];
            if (i > 0) Append(spoken, LookUp(isAddress ? "dot" : "point", "", Unstressed, null));
            if (part[0] == '0' || part.Length != 2 && part.AsSpan(1).ContainsAnyExcept('0')) SayDigits(spoken, part);
            else Say(spoken, NumberWords.Cardinal(part));
        }
    }

    private static bool HasCents(string number)
    {
        int dot = number.IndexOf('.', StringComparison.Ordinal);
        return dot < 0 || number.Length - dot - 1 < 3;
    }

    private void SayMoney(List<string> spoken, string number, string currency)
    {
        string[] parts = number.Split('.');
        string whole = parts[0].TrimStart('0'), part = parts.Length > 1 ? parts[1].PadRight(2, '0').TrimStart('0') : "";
        bool saysPart = part.Length > 0, saysWhole = whole.Length > 0 || !saysPart;
        if (saysWhole) SayAmount(spoken, whole, CurrencyName(currency));
        if (!saysPart) return;
        if (saysWhole) Append(spoken, LookUp("and", "", null, null));
        SayAmount(spoken, part, CentName(currency));
    }

    private void SayAmount(List<string> spoken, string digits, string name)
    {
        Say(spoken, NumberWords.Cardinal(digits));
        if (digits == "1" && name == "pence") name = "penny";
        Append(spoken, digits != "1" && name != "pence" ? EndingS(name + "s", "", null, null) : LookUp(name, "", null, null));
    }

    private void SayPlain(List<string> spoken, string number, bool isOrdinal)
    {
        int dot = number.IndexOf('.', StringComparison.Ordinal);
        string plain = number.Replace(",", "", StringComparison.Ordinal);
        if (dot < 0)
        {
            if (plain.Length > 0) Say(spoken, isOrdinal ? NumberWords.Ordinal(NumberWords.Cardinal(plain)) : NumberWords.Cardinal(plain));
            return;
        }
        string whole = plain[..plain.IndexOf('.', StringComparison.Ordinal)], decimals = plain[(whole.Length + 1)..];
        if (whole.Length > 0) Say(spoken, NumberWords.Cardinal(whole));
        if (decimals.Length == 0) return;
        Append(spoken, LookUp("point", "", Unstressed, null));
        SayDigits(spoken, decimals);
    }

    private void SayDigits(List<string> spoken, ReadOnlySpan<char> digits)
    {
        foreach (char digit in digits)
        {
            if (char.IsAsciiDigit(digit)) Say(spoken, NumberWords.Cardinal([digit]));
        }
    }

    /// <summary>Reads words of letters, without `and`.</summary>
    private void Say(List<string> spoken, string words)
    {
        foreach (string word in words.Split([' ', ',', '-'], StringSplitOptions.RemoveEmptyEntries))
        {
            if (word != "and") Append(spoken, LookUp(word, "", word == "point" ? Unstressed : null, null));
        }
    }

    private static void Append(List<string> spoken, string? phonemes)
    {
        if (!string.IsNullOrEmpty(phonemes)) spoken.Add(phonemes);
    }

    private static bool IsDigits(string text) => text.Length > 0 && !text.AsSpan().ContainsAnyExceptInRange('0', '9');
}
