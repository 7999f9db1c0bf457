using System.Globalization;
using EdgeLlm.Chat.Jinja.Values;

namespace EdgeLlm.Chat.Jinja.Runtime;

/// <summary>C's <c>strftime</c> in the C locale, of a time that knows no zone: Python's <c>datetime.now().strftime</c>.</summary>
internal static class StrfTime
{
    public static void Write(DateTimeOffset time, string format, TextBuilder text)
    {
        for (int i = 0; i < format.Length; i++)
        {
            if (format[i] != '%' || i + 1 == format.Length)
            {
                text.Append(format[i], 1);
                continue;
            }
            char flag = format[++i] is '-' or '_' or '0' or '^' && i + 1 < format.Length ? format[i++] : '\0';
            char directive = format[i];
            string? compound = Compound(directive);
            if (compound is not null) Write(time, compound, text);
            else text.Append(WithFlag(Field(time, directive), flag));
        }
    }

    private static string? Compound(char directive) => directive switch
    {
        'c' => "%a %b %e %H:%M:%S %Y",
        'D' or 'x' => "%m/%d/%y",
        'F' => "%Y-%m-%d",
        'r' => "%I:%M:%S %p",
        'R' => "%H:%M",
        'T' or 'X' => "%H:%M:%S",
        _ => null,
    };

    private static string Field(DateTimeOffset time, char directive)
    {
        int hour = time.Hour % 12 == 0 ? 12 : time.Hour % 12, weekday = (int)time.DayOfWeek;
        return directive switch
        {
            'a' or 'A' => Name(directive == 'a' ? "ddd" : "dddd"),
            'b' or 'h' or 'B' => Name(directive == 'B' ? "MMMM" : "MMM"),
            'C' => Number(time.Year / 100, 2),
            'd' => Number(time.Day, 2),
            'e' => Number(time.Day, 2, ' '),
            'f' => Number((int)(time.Ticks / TimeSpan.TicksPerMicrosecond % 1_000_000), 6),
            'g' => Number(ISOWeek.GetYear(time.DateTime) % 100, 2),
            'G' => Number(ISOWeek.GetYear(time.DateTime), 1),
            'H' => Number(time.Hour, 2),
            'I' => Number(hour, 2),
            'j' => Number(time.DayOfYear, 3),
            'k' => Number(time.Hour, 2, ' '),
            'l' => Number(hour, 2, ' '),
            'm' => Number(time.Month, 2),
            'M' => Number(time.Minute, 2),
            'n' => "\n",
            'p' => time.Hour < 12 ? "AM" : "PM",
            'P' => time.Hour < 12 ? "am" : "pm",
            's' => time.ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture),
            'S' => Number(time.Second, 2),
            't' => "\t",
            'u' => Number(weekday == 0 ? 7 : weekday, 1),
            'U' => Number((time.DayOfYear + 6 - weekday) / 7, 2),
            'V' => Number(ISOWeek.GetWeekOfYear(time.DateTime), 2),
            'w' => Number(weekday, 1),
            'W' => Number((time.DayOfYear + 6 - (weekday + 6) % 7) / 7, 2),
            'y' => Number(time.Year % 100, 2),
            'Y' => Number(time.Year, 1),
            'z' or 'Z' => "",
            '%' => "%",
            _ => $"%{directive}",
        };

        string Name(string pattern) => time.ToString(pattern, CultureInfo.InvariantCulture);
    }

    private static string Number(int value, int width, char padding = '0') =>
        value.ToString(CultureInfo.InvariantCulture).PadLeft(width, padding);

    private static string WithFlag(string field, char flag) => flag switch
    {
        '-' when field.Length > 1 => field[..^1].TrimStart('0', ' ') + field[^1],
        '_' when field.Length > 1 => field[..^1].TrimStart('0').PadLeft(field.Length - 1) + field[^1],
        '0' => field.Replace(' ', '0'),
        '^' => field.ToUpperInvariant(),
        _ => field,
    };
}
