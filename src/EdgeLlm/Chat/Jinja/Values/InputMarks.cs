namespace EdgeLlm.Chat.Jinja.Values;

/// <summary>
/// Which characters of a string come from input (a user, a tool, a model) rather than from the template: the positions, in
/// ascending order, where the answer changes. A string begins as the template's.
/// </summary>
internal readonly struct InputMarks
{
    private readonly int[]? _toggles;

    public InputMarks(int[]? toggles) => _toggles = toggles is { Length: > 0 } ? toggles : null;

    /// <summary>Everything is the template's.</summary>
    public static InputMarks None => default;

    /// <summary>Everything is input.</summary>
    public static InputMarks All { get; } = new([0]);

    public static InputMarks Of(bool input) => input ? All : None;

    /// <summary>Whether any character is input.</summary>
    public bool Any => _toggles is not null;

    /// <summary>Whether all characters have one origin, which is then <see cref="Any"/>.</summary>
    public bool IsUniform => _toggles is null || (_toggles.Length == 1 && _toggles[0] == 0);

    public ReadOnlySpan<int> Toggles => _toggles;

    /// <summary>The marks of the characters [start, start + length).</summary>
    public InputMarks Slice(int start, int length)
    {
        if (IsUniform) return length == 0 ? None : this;
        List<int> toggles = [];
        bool inputAtStart = false;
        foreach (int toggle in _toggles!)
        {
            if (toggle <= start) inputAtStart = !inputAtStart;
            else if (toggle < start + length) toggles.Add(toggle - start);
        }
        if (inputAtStart && length > 0) toggles.Insert(0, 0);
        return new InputMarks([.. toggles]);
    }
}
