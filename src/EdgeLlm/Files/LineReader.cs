using System.Text;

namespace EdgeLlm.Files;

/// <summary>
/// Lines of a stream that another program or person writes. A line without an end is refused, before it takes the machine's memory.
/// </summary>
/// <param name="name">What messages call it.</param>
/// <param name="mostCharacters">Most characters of a line.</param>
internal sealed class LineReader(string name, Stream stream, Encoding encoding, int mostCharacters = LineReader.MostCharacters)
    : StreamReader(stream, encoding)
{
    /// <summary>Longer than any context takes.</summary>
    private const int MostCharacters = 1 << 24;

    private readonly StringBuilder _line = new();

    /// <exception cref="FileException">The line is longer than it may be.</exception>
    public override string? ReadLine()
    {
        _line.Clear();
        int next;
        while ((next = Read()) >= 0 && next is not ('\n' or '\r'))
        {
            if (_line.Length == mostCharacters) throw new FileException(name, $"has a line of more than {mostCharacters} characters");
            _line.Append((char)next);
        }
        if (next < 0 && _line.Length == 0) return null;
        if (next == '\r' && Peek() == '\n') Read();
        return _line.ToString();
    }

    /// <inheritdoc/>
    public override Task<string?> ReadLineAsync() => Task.Run(ReadLine);

    /// <inheritdoc/>
    public override ValueTask<string?> ReadLineAsync(CancellationToken cancellationToken) => new(Task.Run(ReadLine, cancellationToken));
}
