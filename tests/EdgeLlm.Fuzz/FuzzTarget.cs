using EdgeLlm.Chat;
using EdgeLlm.Files;
using EdgeLlm.Fuzz.Targets;
using EdgeLlm.Generation;
using EdgeLlm.Gguf;
using EdgeLlm.Models;
using EdgeLlm.Sampling.Constraints;
using EdgeLlm.Tokenization;

namespace EdgeLlm.Fuzz;

/// <summary>A parser that is fuzzed.</summary>
/// <param name="Name">Its kind on the command line.</param>
/// <param name="Share">How many of 100 cases are of this kind.</param>
/// <param name="Run">Makes the case's mutant and has it parsed and used. Null: it was accepted; else why not. A documented exception
/// refuses it, too.</param>
/// <param name="Documented">The exceptions that the parser documents.</param>
internal sealed record FuzzTarget(string Name, int Share, Func<FuzzCase, string?> Run, Func<Exception, bool> Documented)
{
    public static IReadOnlyList<FuzzTarget> All { get; } =
    [
        new("gguf", 14, GgufTarget.Run, IsOfModel),
        new("packed-gguf", 16, GgufTarget.RunPacked, IsOfModel),
        new("hugging-face", 12, HuggingFaceTarget.Run, IsOfModel),
        new("tokenizer", 12, TokenizerTarget.Run, IsOfModel),
        new("template", 14, TemplateTarget.Run, exception => exception is ChatTemplateException),
        new("session", 6, SessionTarget.Run, exception => exception is InvalidDataException || IsOfModel(exception)),
        new("http", 8, HttpTarget.Run, _ => false),
        new("options", 4, OptionsTarget.Run, exception => exception is InvalidDataException or ArgumentException { ParamName: null }),
        new("imatrix", 2, ImportanceTarget.Run, exception => exception is InvalidDataException or GgufException),
        new("voice", 4, VoiceTarget.Run, IsOfModel),
        new("sound", 2, HearingTargets.RunSound, exception => exception is FileException),
        new("onnx", 2, HearingTargets.RunOnnx, exception => exception is FileException),
        new("tflite", 2, HearingTargets.RunTfLite, exception => exception is FileException),
        new("logits", 2, LogitsStoreTarget.Run, exception => exception is InvalidDataException),
        new("adapter", 10, AdapterTarget.Run, exception => IsOfModel(exception) || exception is ArgumentException { ParamName: null }),
        new("card", 2, AdapterTarget.RunCard, IsOfModel),
        new("constraint", 4, ConstraintTarget.Run, exception => exception is ConstraintException),
    ];

    public static FuzzTarget Find(string name) => All.First(target => target.Name == name);

    private static bool IsOfModel(Exception exception) =>
        exception is GgufException or ModelException or TokenizerException or ChatTemplateException
            or NotFiniteException or ContextFullException;
}
