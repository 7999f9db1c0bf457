using System.Globalization;

namespace EdgeLlm.Models.Adapters;

/// <summary>
/// FILE[:SCALE], as options and settings have it: a path that is there whole is one, else the number after the last colon is a scale.
/// </summary>
/// <param name="Path">A file or folder.</param>
/// <param name="Scale">Finite, -16 to 16; 1 where none is given.</param>
public readonly record struct ScaledPath(string Path, float Scale)
{
    /// <summary>Takes it apart.</summary>
    /// <exception cref="FormatException">The scale is out of its range; the message says what it may be.</exception>
    public static ScaledPath Parse(string text)
    {
        if (File.Exists(text) || Directory.Exists(text) || text.LastIndexOf(':') is not (> 0 and var colon)) return new ScaledPath(text, 1);
        if (!float.TryParse(text.AsSpan(colon + 1), NumberStyles.Float, CultureInfo.InvariantCulture, out float scale))
            return new ScaledPath(text, 1);
        if (!float.IsFinite(scale) || Math.Abs(scale) > Adaptation.MostScale)
            throw new FormatException(
                $"a path and a scale from -{Adaptation.MostScale} to {Adaptation.MostScale}, not '{Printable.Line(text, 80)}'");
        return new ScaledPath(text[..colon], scale);
    }
}
