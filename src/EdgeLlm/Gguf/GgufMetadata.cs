using System.Collections;
using System.Diagnostics.CodeAnalysis;
using System.Numerics;

namespace EdgeLlm.Gguf;

/// <summary>
/// The keys and values of a GGUF file, in the file's order. The getters take an integer of any width that holds a value
/// which fits; a value of another type is an error that names the key, and so is a missing key where no fallback is given.
/// </summary>
public sealed class GgufMetadata : IReadOnlyCollection<KeyValuePair<string, GgufValue>>
{
    private readonly string _file;
    private readonly OrderedDictionary<string, GgufValue> _values;

    internal GgufMetadata(string file, OrderedDictionary<string, GgufValue> values)
    {
        _file = file;
        _values = values;
    }

    /// <inheritdoc/>
    public int Count => _values.Count;

    /// <summary>The keys in the file's order.</summary>
    public IReadOnlyList<string> Keys => _values.Keys;

    /// <summary>Whether the file has a key.</summary>
    public bool Contains(string key) => _values.ContainsKey(key);

    /// <summary>The value of a key, of whatever type, or false where the file has no such key.</summary>
    public bool TryGet(string key, [NotNullWhen(true)] out GgufValue? value) => _values.TryGetValue(key, out value);

    /// <summary>A string.</summary>
    /// <exception cref="GgufException">The key is missing or no string.</exception>
    public string GetString(string key) => String(key, Require(key));

    /// <summary>A string, or the fallback where the key is missing.</summary>
    /// <exception cref="GgufException">The value is not a string.</exception>
    [return: NotNullIfNotNull(nameof(fallback))]
    public string? GetString(string key, string? fallback) => TryGet(key, out GgufValue? value) ? String(key, value) : fallback;

    /// <summary>An integer of at most 32 bits, without sign.</summary>
    /// <exception cref="GgufException">The key is missing, or the value is not an integer or does not fit.</exception>
    public uint GetUInt32(string key) => Integer<uint>(key, Require(key));

    /// <summary>An integer of at most 32 bits, without sign, or the fallback where the key is missing.</summary>
    /// <exception cref="GgufException">The value is not an integer or does not fit.</exception>
    public uint GetUInt32(string key, uint fallback) => TryGet(key, out GgufValue? value) ? Integer<uint>(key, value) : fallback;

    /// <summary>An integer of at most 32 bits.</summary>
    /// <exception cref="GgufException">The key is missing, or the value is not an integer or does not fit.</exception>
    public int GetInt32(string key) => Integer<int>(key, Require(key));

    /// <summary>An integer of at most 32 bits, or the fallback where the key is missing.</summary>
    /// <exception cref="GgufException">The value is not an integer or does not fit.</exception>
    public int GetInt32(string key, int fallback) => TryGet(key, out GgufValue? value) ? Integer<int>(key, value) : fallback;

    /// <summary>A float (or an integer, as a float).</summary>
    /// <exception cref="GgufException">The key is missing or no number.</exception>
    public float GetFloat(string key) => Float(key, Require(key));

    /// <summary>A float (or an integer, as a float), or the fallback where the key is missing.</summary>
    /// <exception cref="GgufException">The value is not a number.</exception>
    public float GetFloat(string key, float fallback) => TryGet(key, out GgufValue? value) ? Float(key, value) : fallback;

    /// <summary>A bool.</summary>
    /// <exception cref="GgufException">The key is missing or no bool.</exception>
    public bool GetBool(string key) => Bool(key, Require(key));

    /// <summary>A bool, or the fallback where the key is missing.</summary>
    /// <exception cref="GgufException">The value is not a bool.</exception>
    public bool GetBool(string key, bool fallback) => TryGet(key, out GgufValue? value) ? Bool(key, value) : fallback;

    /// <summary>A copy of an array of numbers, converted as <see cref="GgufValue.TryGetArray"/> says.</summary>
    /// <exception cref="GgufException">The key is missing, or the value is not an array of numbers that fit.</exception>
    public T[] GetArray<T>(string key) where T : unmanaged, INumber<T>
    {
        GgufValue value = Require(key);
        return value.TryGetArray(out T[]? items) ? items : throw WrongType(key, value, $"an array of {typeof(T).Name} numbers");
    }

    /// <summary>An array of strings, left where it is in the file.</summary>
    /// <exception cref="GgufException">The key is missing or no array of strings.</exception>
    public GgufStringArray GetStringArray(string key)
    {
        GgufValue value = Require(key);
        return value.TryGetStringArray(out GgufStringArray? items) ? items : throw WrongType(key, value, "an array of strings");
    }

    /// <inheritdoc/>
    public IEnumerator<KeyValuePair<string, GgufValue>> GetEnumerator() => _values.GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    /// <summary>Puts a value in the place of the file's, for those who read after this; the file stays as it is.</summary>
    internal void Override(string key, GgufValue value) => _values[key] = value;

    /// <summary>An error about the value of a key that the file has.</summary>
    internal GgufException Error(string key, string problem) => new(_file, problem, $"key '{key}'", _values[key].Offset);

    private GgufValue Require(string key) =>
        TryGet(key, out GgufValue? value) ? value : throw new GgufException(_file, "has no such key", $"key '{key}'", offset: null);

    private string String(string key, GgufValue value) =>
        value.TryGetString(out string? text) ? text : throw WrongType(key, value, "a string");

    private T Integer<T>(string key, GgufValue value) where T : struct, IBinaryInteger<T> =>
        value.TryGetInteger(out T integer) ? integer : throw WrongType(key, value, $"an integer that fits {typeof(T).Name}");

    private float Float(string key, GgufValue value) =>
        value.TryGetFloat(out double number) ? (float)number : throw WrongType(key, value, "a number");

    private bool Bool(string key, GgufValue value) =>
        value.TryGetBool(out bool flag) ? flag : throw WrongType(key, value, "a bool");

    private GgufException WrongType(string key, GgufValue value, string wanted) =>
        Error(key, $"must be {wanted} but is {value.Description}");
}
