using System.Text.Json;
using EdgeLlm.Cli.Output;
using EdgeLlm.Speech.Recognition;

namespace EdgeLlm.Cli.Transcription;

/// <summary>Shows what is heard: before a person the level and words as they come, else a line an utterance, or JSON.</summary>
internal sealed class HeardText
{
    private const string Clear = "\r\e[2K", Grey = "\e[90m", Plain = "\e[0m";
    private const double SecondsOfLevel = 0.1, QuietestLevel = -60;
    private const int BarWidth = 12;

    private readonly bool _isJson;
    private readonly bool _hasPerson = StandardStreams.HasPersonOut();
    private readonly Stream _output = StandardStreams.OpenOutput();
    private string _agreed = "", _tentative = "";
    private double _level = -99, _shownAt;
    private bool _isSpeech;

    public HeardText(bool isJson) => _isJson = isJson;

    /// <summary>A line for a person.</summary>
    public void Say(string line)
    {
        if (StandardStreams.HasPersonOut()) Console.Error.WriteLine($"edgellm: {line}");
    }

    /// <summary>Shows how loud it is, some times a second.</summary>
    /// <param name="decibels">Of full scale.</param>
    public void Level(double decibels, bool isSpeech, double seconds)
    {
        _level = Math.Max(_level - 2, decibels);
        (bool was, _isSpeech) = (_isSpeech, isSpeech);
        if (seconds - _shownAt < SecondsOfLevel && was == isSpeech) return;
        _shownAt = seconds;
        if (_isJson) Write(json =>
        {
            json.WriteString("event", "level");
            json.WriteNumber("seconds", Math.Round(seconds, 3));
            json.WriteNumber("decibels", Math.Round(decibels, 1));
            json.WriteBoolean("speech", isSpeech);
        });
        else Draw();
    }

    /// <summary>An utterance begins.</summary>
    public void Begin(double seconds)
    {
        if (_isJson) Write(json =>
        {
            json.WriteString("event", "begin");
            json.WriteNumber("seconds", Math.Round(seconds, 3));
        });
    }

    /// <summary>Words so far.</summary>
    public void Update(StreamUpdate update)
    {
        (_agreed, _tentative) = (update.Agreed, update.Tentative);
        if (_isJson) Write(json =>
        {
            json.WriteString("event", "update");
            json.WriteString("agreed", update.Agreed);
            json.WriteString("tentative", update.Tentative);
        });
        else Draw();
    }

    /// <summary>All of an utterance.</summary>
    public void Finish(string text, double start, double end)
    {
        (_agreed, _tentative) = ("", "");
        if (_isJson)
        {
            Write(json =>
            {
                json.WriteString("event", "text");
                json.WriteString("text", text);
                json.WriteNumber("start", Math.Round(start, 3));
                json.WriteNumber("end", Math.Round(end, 3));
            });
            return;
        }
        if (_hasPerson) Console.Write(Clear);
        if (text.Length > 0) Console.WriteLine(Printable.Line(text));
    }

    /// <summary>No more comes.</summary>
    public void End()
    {
        if (_hasPerson && !_isJson) Console.Write(Clear);
    }

    /// <summary>One line: a bar of the level, then words; a terminal's last lines of it where they are long.</summary>
    private void Draw()
    {
        if (!_hasPerson) return;
        int full = (int)Math.Round(Math.Clamp((_level - QuietestLevel) / -QuietestLevel, 0, 1) * BarWidth);
        string bar = new string(_isSpeech ? '#' : '-', full).PadRight(BarWidth);
        int room = Math.Max(20, Console.WindowWidth - BarWidth - 4);
        string agreed = Printable.Line(_agreed), tentative = Printable.Line(_tentative);
        if (tentative.Length > room) tentative = tentative[^room..];
        room -= tentative.Length;
        if (agreed.Length > room) agreed = agreed[^room..];
        Console.Write($"{Clear}[{bar}] {agreed}{Grey}{tentative}{Plain}");
    }

    private void Write(Action<Utf8JsonWriter> fields) => JsonOutput.WriteLine(_output, fields);
}
