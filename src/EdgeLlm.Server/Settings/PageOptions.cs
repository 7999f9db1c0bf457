using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.RegularExpressions;
using EdgeLlm.Files;

namespace EdgeLlm.Server.Settings;

/// <summary>
/// Name, colours and manners of the page at `/`: the JSON file of the setting `page`. Everyone who may open the page can read all of it.
/// </summary>
public sealed partial record PageOptions
{
    private const int MostBytes = 256 * 1024;
    private const int MostLogoBytes = 512 * 1024;
    private const int MostStarters = 8;

    private static readonly string[] Languages = ["en", "de", "fr", "es"];

    /// <summary>The page's title; null: the model's name.</summary>
    public string? Name { get; init; }

    /// <summary>A picture (SVG, PNG, JPEG or WebP), by its path from the file's folder; null: none.</summary>
    public string? Logo { get; init; }

    /// <summary>The colour of buttons and questions, such as `#0b6e4f`; null: the page's own.</summary>
    public string? Accent { get; init; }

    /// <summary>The colour of what is written on <see cref="Accent"/>; null: white.</summary>
    public string? AccentInk { get; init; }

    /// <summary>A line on the empty page; null: none.</summary>
    public string? Greeting { get; init; }

    /// <summary>Questions to begin with, at most 8.</summary>
    public IReadOnlyList<string> Starters { get; init => field = value ?? []; } = []; // a file without it gives null

    /// <summary>A system prompt; null: none.</summary>
    public string? System { get; init; }

    /// <summary>A text file, by its path from the file's folder, from which alone the model is asked to answer; null: none.</summary>
    public string? OnlyFrom { get; init; }

    /// <summary>Seconds without a touch after which the page forgets everything and shows its name; 0: never.</summary>
    public int IdleSeconds { get; init; }

    /// <summary>`en`, `de`, `fr` or `es`; null: the browser's.</summary>
    public string? Language { get; init; }

    /// <summary>The logo's bytes.</summary>
    [JsonIgnore]
    public ReadOnlyMemory<byte> LogoBytes { get; init; }

    /// <summary>The text of <see cref="OnlyFrom"/>.</summary>
    [JsonIgnore]
    public string? OnlyFromText { get; init; }

    /// <summary>Reads and checks a file.</summary>
    /// <exception cref="IOException">It, or one that it names, can't be read.</exception>
    /// <exception cref="InvalidDataException">It is not JSON, or a value is wrong; the message names it.</exception>
    public static PageOptions Read(string path)
    {
        PageOptions options;
        try
        {
            options = JsonSerializer.Deserialize(InputFile.ReadText(path, MostBytes), PageJson.Default.PageOptions)
                ?? throw new InvalidDataException($"{path} has to be a JSON object");
        }
        catch (JsonException exception)
        {
            string problem = exception.Message.Split(" Path:")[0].Split(" LineNumber:")[0];
            throw new InvalidDataException(Printable.Line($"{path}: line {(exception.LineNumber ?? 0) + 1}: {problem}"));
        }
        string folder = Path.GetDirectoryName(Path.GetFullPath(path))!;
        if (options.Accent is { } accent && !Colour().IsMatch(accent)) throw Wrong("accent", "has to be a colour such as #0b6e4f");
        if (options.AccentInk is { } ink && !Colour().IsMatch(ink)) throw Wrong("accentInk", "has to be a colour such as #ffffff");
        if (options.Starters.Count > MostStarters || options.Starters.Any(string.IsNullOrWhiteSpace))
            throw Wrong("starters", $"has to be a list of at most {MostStarters} questions");
        if (options.IdleSeconds is < 0 or (> 0 and < 5) or > 86400) throw Wrong("idleSeconds", "has to be 0 (never) or 5 to 86400");
        if (options.Language is { } language && !Languages.Contains(language))
            throw Wrong("language", $"has to be one of {string.Join(", ", Languages)}");
        if (options.Logo is { } logo)
        {
            if (TypeOf(logo) is null) throw Wrong("logo", "has to be an .svg, .png, .jpg or .webp file");
            options = options with { LogoBytes = InputFile.Read(Path.Combine(folder, logo), MostLogoBytes) };
        }
        if (options.OnlyFrom is { } text)
            options = options with { OnlyFromText = InputFile.ReadText(Path.Combine(folder, text), MostBytes) };
        return options;

        InvalidDataException Wrong(string name, string problem) => new(Printable.Line($"{path}: {name} {problem}"));
    }

    /// <summary>The media type of a picture by its name; null: none that is taken.</summary>
    internal static string? TypeOf(string name) => Path.GetExtension(name).ToLowerInvariant() switch
    {
        ".svg" => "image/svg+xml",
        ".png" => "image/png",
        ".jpg" or ".jpeg" => "image/jpeg",
        ".webp" => "image/webp",
        _ => null,
    };

    [GeneratedRegex("^#[0-9a-fA-F]{6}$")]
    private static partial Regex Colour();
}

/// <summary>Settings of the page as it reads them at `/page.json`.</summary>
/// <param name="Logo">Whether there is a logo, at `/logo`.</param>
/// <param name="System">The system prompt; with a text to answer from, both.</param>
internal sealed record PageConfiguration(
    string? Name, bool Logo, string? Accent, string? AccentInk, string? Greeting, IReadOnlyList<string> Starters, string? System,
    string? OnlyFrom, int IdleSeconds,
    string? Language)
{
    public static PageConfiguration Of(PageOptions options) => new(
        options.Name, options.Logo is not null, options.Accent, options.AccentInk, options.Greeting, options.Starters,
        options.System, options.OnlyFromText,
        options.IdleSeconds, options.Language);
}

/// <summary>A web application's manifest, by which browsers install the page.</summary>
internal sealed record PageManifest(
    string Name, string ShortName, string StartUrl, string Display, string BackgroundColor, string ThemeColor, PageIcon[] Icons);

internal sealed record PageIcon(string Src, string Sizes, string Type, string Purpose);

/// <summary>How the page's types are written as JSON; generated, without reflection.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    ReadCommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow)]
[JsonSerializable(typeof(PageOptions))]
[JsonSerializable(typeof(PageConfiguration))]
internal sealed partial class PageJson : JsonSerializerContext;

/// <summary>As <see cref="PageJson"/>, with a manifest's names.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower)]
[JsonSerializable(typeof(PageManifest))]
internal sealed partial class ManifestJson : JsonSerializerContext;
