using System.Globalization;

namespace EdgeLlm.Cli.Output;

/// <summary>Numbers as people read them. Megabytes are 10^6 bytes.</summary>
internal static class Quantity
{
    public static string Bytes(long bytes) => bytes switch
    {
        < 1_000 => Text($"{bytes} bytes"),
        < 1_000_000 => Text($"{bytes / 1e3:F1} kB"),
        < 100_000_000 => Text($"{bytes / 1e6:F1} MB"),
        < 1_000_000_000 => Text($"{bytes / 1e6:F0} MB"),
        _ => Text($"{bytes / 1e9:F2} GB"),
    };

    public static string Count(long count) => Text($"{count:N0}");

    /// <summary>1 thread, 2 threads.</summary>
    public static string Of(long count, string thing) => Text($"{count:N0} {thing}{(count == 1 ? "" : "s")}");

    /// <summary>134515008 is 134.5 million.</summary>
    public static string Large(long count) => count switch
    {
        < 1_000_000 => Count(count),
        < 1_000_000_000 => Text($"{count / 1e6:F1} million"),
        _ => Text($"{count / 1e9:F2} billion"),
    };

    public static string Duration(TimeSpan time) => time.TotalSeconds switch
    {
        < 100 => Text($"{time.TotalSeconds:F0} s"),
        < 6000 => Text($"{time.TotalMinutes:F0} min"),
        _ => Text($"{time.TotalHours:F1} h"),
    };

    /// <summary>An interpolated text with the invariant culture.</summary>
    public static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
