namespace EdgeLlm.Chat.Tools;

/// <summary>A part of how a call is written. The engine holds a model to the parts, and <see cref="CallReader"/> reads them.</summary>
internal abstract record CallPart;

/// <summary>A text. A run of white space in it stands for any, none too.</summary>
internal sealed record TextPart(string Text) : CallPart;

/// <summary>The tool's name.</summary>
internal sealed record NamePart : CallPart;

/// <summary>The arguments as a JSON object.</summary>
internal sealed record JsonPart : CallPart;

/// <summary>A call's number or id: letters and digits.</summary>
/// <param name="Pattern">As a regular expression.</param>
internal sealed record IdPart(string Pattern) : CallPart;

/// <summary>One of several, which differ in their first text.</summary>
/// <param name="Ways">An empty one: none of them.</param>
internal sealed record EitherPart(params CallPart[][] Ways) : CallPart;

/// <summary>The arguments one by one, each with its name and its value: a text as it is, anything else as JSON.</summary>
/// <param name="Head">Text before a name.</param>
/// <param name="Middle">Text between name and value. `{string}` in it is `true` for a text and `false` for JSON.</param>
/// <param name="Tail">Text after a value.</param>
internal sealed record ParametersPart(string Head, string Middle, string Tail) : CallPart
{
    public string MiddleFor(bool isText) => Middle.Replace("{string}", isText ? "true" : "false", StringComparison.Ordinal);
}

/// <summary>The arguments in another notation than JSON's, between brackets.</summary>
internal sealed record ValuesPart(ValueNotation Notation) : CallPart;

/// <summary>A notation of arguments.</summary>
/// <param name="Open">Before the first argument.</param>
/// <param name="Close">After the last one.</param>
/// <param name="Assign">Between an argument's name and its value.</param>
/// <param name="Quote">Before and after a text, which has no escapes; null: texts are JSON's, or between single quotes.</param>
/// <param name="True">How true is written; false and null, too, begin with a capital letter where this does.</param>
internal sealed record ValueNotation(string Open, string Close, string Assign, string? Quote, string True)
{
    public string False => True == "True" ? "False" : "false";

    public string Null => True == "True" ? "None" : "null";
}
