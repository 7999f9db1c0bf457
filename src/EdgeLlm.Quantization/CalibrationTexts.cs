using System.Text;

namespace EdgeLlm.Quantization;

/// <summary>The calibration text that comes with the program.</summary>
internal static class CalibrationTexts
{
    private const string Resource = "EdgeLlm.Quantization.calibration.txt";

    /// <summary>Prose in several languages, code and dialogue, all of our own.</summary>
    public static string Own()
    {
        using Stream stream = typeof(CalibrationTexts).Assembly.GetManifestResourceStream(Resource) ?? throw new InvalidOperationException($"{Resource} is not in the program");
        using var reader = new StreamReader(stream, Encoding.UTF8);
        return reader.ReadToEnd();
    }
}
