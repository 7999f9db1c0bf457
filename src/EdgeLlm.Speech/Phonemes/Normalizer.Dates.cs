using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace EdgeLlm.Speech.Phonemes;

/// <summary>Times and dates.</summary>
internal sealed partial class Normalizer
{
    private const string MonthNames =
        "January|February|March|April|May|June|July|August|September|October|November|December|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept|Sep|Oct|Nov|Dec";

    private static readonly string[] Months =
        ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];

    private static string ReadTimesAndDates(string text)
    {
        text = TimeRange().Replace(text, "$1 to ");
        text = Duration().Replace(text, DurationWords);
        text = Time().Replace(text, match => TimeWords(text, match));
        text = IsoDate().Replace(text, static match => Date(match, Value(match.Groups[2]), Value(match.Groups[3]), match.Groups[1].Value));
        return SlashDate().Replace(text, static match =>
        {
            int a = Value(match.Groups[1]), b = Value(match.Groups[2]);
            string year = match.Groups[3].Length == 4 ? match.Groups[3].Value
                : (Value(match.Groups[3]) > 30 ? "19" : "20") + match.Groups[3].Value;
            return a <= 12 ? Date(match, a, b, year) : Date(match, b, a, year);
        });
    }

    private static string TimeWords(string text, Match match)
    {
        int hour = Value(match.Groups[1]), minute = Value(match.Groups[2]);
        Group second = match.Groups[3], half = match.Groups[4];
        if (hour > 24 || minute > 59 || second.Success && Value(second) > 59) return match.Value;
        var words = new StringBuilder(NumberWords.Cardinal(hour));
        if (minute == 0)
        {
            if (!second.Success && !half.Success) words.Append(" o'clock");
        }
        else
        {
            words.Append(minute < 10 ? " oh " : " ").Append(NumberWords.Cardinal(minute));
        }
        if (second.Success)
            words.Append(CultureInfo.InvariantCulture,
                $" and {NumberWords.Cardinal(Value(second))} second{(Value(second) == 1 ? "" : "s")}");
        if (half.Success)
        {
            int end = match.Index + match.Length;
            words.Append(' ').Append(char.ToUpperInvariant(half.Value[0])).Append(".M");
            if (end == text.Length || text[end] != '.') words.Append('.');
        }
        return words.ToString();
    }

    /// <summary>`1:02:03` is a time of day after a word such as `at`, else hours, minutes and seconds.</summary>
    private static string DurationWords(Match match)
    {
        int hours = Value(match.Groups[1]), minutes = Value(match.Groups[2]), seconds = Value(match.Groups[3]);
        return minutes > 59 || seconds > 59 ? match.Value
            : $"{Count(hours, "hour")}, {Count(minutes, "minute")} and {Count(seconds, "second")}";
    }

    private static string Count(int number, string noun) => number == 1 ? $"{number} {noun}" : $"{number} {noun}s";

    private static string Date(Match match, int month, int day, string year) =>
        month is >= 1 and <= 12 && day is >= 1 and <= 31 ? $"{Months[month - 1]} {NumberWords.Ordinal(day)}, {year}" : match.Value;

    private static string MonthDayWords(Match match)
    {
        int day = Value(match.Groups[2]);
        return day is >= 1 and <= 31
            ? $"{FullMonth(match.Groups[1].ValueSpan)} {NumberWords.Ordinal(day)}{match.Groups[3].Value}" : match.Value;
    }

    private static string DayMonthWords(Match match)
    {
        int day = Value(match.Groups[1]);
        return day is >= 1 and <= 31 ? $"the {NumberWords.Ordinal(day)} of {FullMonth(match.Groups[2].ValueSpan)}" : match.Value;
    }

    private static string FullMonth(ReadOnlySpan<char> name)
    {
        foreach (string month in Months)
        {
            if (month.AsSpan(0, 3).SequenceEqual(name[..3])) return month;
        }
        throw new InvalidOperationException("a month that the expression has and the list has not");
    }

    [GeneratedRegex($@"{NotInWord}(\d{{1,2}}):(\d\d)(?::(\d\d))?(?: ?([aApP])\.?[mM]\.?(?![A-Za-z]))?(?!\d)")]
    private static partial Regex Time();

    [GeneratedRegex($@"{NotInWord}(\d{{1,2}}:\d\d(?: ?[aApP]\.?[mM]\.?)?) ?[-–] ?(?=\d{{1,2}}:\d\d(?!\d))")]
    private static partial Regex TimeRange();

    [GeneratedRegex(
        $@"(?<![\p{{L}}\p{{N}}_:])(?<!\b(?:at|At|by|By|until|Until|till|since|Since|from|From|before|Before|after|After|to) )(\d{{1,2}}):(\d\d):(\d\d)(?! ?[aApP]\.?[mM])(?![\d:])")]
    private static partial Regex Duration();

    [GeneratedRegex($@"{NotInWord}(\d{{4}})-(\d\d)-(\d\d)(?!{W})")]
    private static partial Regex IsoDate();

    [GeneratedRegex($@"{NotInWord}(\d{{1,2}})/(\d{{1,2}})/(\d{{4}}|\d\d)(?!{W})")]
    private static partial Regex SlashDate();

    [GeneratedRegex($@"{NotInWord}({MonthNames})\.? (\d{{1,2}})(?:st|nd|rd|th)?(?!{W})(?![\d:%])(,? \d{{4}}(?!{W}))?")]
    private static partial Regex MonthDay();

    [GeneratedRegex($@"{NotInWord}(?:the )?(\d{{1,2}}) (?:of )?({MonthNames})(?!{W})(?:(?<![a-z]{{4}})\.(?=\s*\S))?")]
    private static partial Regex DayMonth();
}
