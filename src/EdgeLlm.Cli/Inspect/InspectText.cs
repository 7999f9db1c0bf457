using EdgeLlm.Cli.Output;
using EdgeLlm.Gguf;
using EdgeLlm.Models;
using EdgeLlm.Models.Spec;
using EdgeLlm.Speech;
using EdgeLlm.Speech.Recognition;

namespace EdgeLlm.Cli.Inspect;

/// <summary>Output of `inspect` for a person: kind of model, size, licence; then the details.</summary>
internal static class InspectText
{
    private const int LongText = 100;
    private const int ShownItems = 4;

    public static void Write(GgufFile file, ModelPlan plan, bool tensors)
    {
        var report = new Report();
        GgufMetadata data = file.Metadata;
        report.Heading(Printable.Line(ModelStore.NameOf(file.Path), LongText));
        report.Fields(Summary(file, plan));
        report.Line();
        string? architecture = Short(data, "general.architecture");
        if (architecture == VoiceStore.Architecture)
            report.Heading($"It speaks: edgellm say --voice {ShellWord.Quote(Printable.Line(file.Path))} TEXT");
        else if (architecture is not null && SpeechFolder.IsKind(architecture))
            WriteSpeech(report, file);
        else WritePlan(report, plan);
        if (file.Tensors.Count > 0)
        {
            report.Line();
            report.Heading($"Tensors: {Quantity.Count(file.Tensors.Count)}{(tensors ? "" : " (--tensors lists them)")}");
            WriteTypes(report, file);
            if (tensors) WriteTensors(report, file);
        }
        report.Line();
        report.Heading($"Metadata: {Quantity.Count(data.Count)} keys (--json has them in full)");
        report.Fields(data.Select(pair => (Printable.Line(pair.Key, LongText), ShortValue(pair.Value))));
    }

    private static IEnumerable<(string, string)> Summary(GgufFile file, ModelPlan plan)
    {
        GgufMetadata data = file.Metadata;
        int files = file.Maps.Count;
        yield return (file.IsFolder ? "folder" : "file",
            $"{Printable.Line(file.Path)} ({Quantity.Bytes(file.FileSize)}{(files > 1 ? $" in {files} files" : "")}, "
                + $"{(file.IsFolder ? "a Hugging Face folder" : $"GGUF version {file.Version}")})");
        yield return ("architecture", Architecture(data, plan.Model));
        if (file.Tensors.Count > 0)
        {
            long parameters = TypeShare.Of(file).Sum(share => share.Parameters), bytes = file.Tensors.Sum(tensor => tensor.ByteCount);
            yield return ("parameters",
                Quantity.Text($"{Quantity.Large(parameters)}, {8.0 * bytes / parameters:F2} bits each ({Quantization.Of(file)})"));
        }
        if (data.TryGet("tokenizer.ggml.tokens", out GgufValue? tokens))
            yield return ("vocabulary",
                $"{Quantity.Count(tokens.Count)} tokens ({Short(data, "tokenizer.ggml.model") ?? "of no named kind"}{(Short(data, "tokenizer.ggml.pre") is { } pre ? $", split as {pre}" : "")})");
        if (plan.Model is { } model)
            yield return ("context",
                $"trained on {Quantity.Count(model.ContextLength)} tokens{(Window(model) is > 0 and var window ? $", each sees {Quantity.Count(window)}" : "")}");
        if (Short(data, VoiceStore.LanguageKey) is { } language) yield return ("language", language);
        else yield return ("chat template", ModelLoader.HasChatTemplate(file) ? "yes" : "none in the file");
        foreach (string note in plan.Notes) yield return ("note", Printable.Line(note));
        yield return ("licence", Licence(data));
        string[] origin = [.. Origin(data)];
        yield return ("origin", origin.Length > 0 ? origin[0] : "not stated in the file");
        foreach (string more in origin.Skip(1)) yield return ("", more);
    }

    private static int Window(ModelSpec model) => model.Layers.Max(layer => layer.Attention.Window);

    private static string Architecture(GgufMetadata data, ModelSpec? model)
    {
        string name = Short(data, "general.architecture") ?? "not stated in the file";
        if (model is null) return name;
        int attending = model.Layers.Count(layer => layer.Attention.Heads > 0);
        string layers = attending == model.Layers.Count ? $"{attending} layers"
            : $"{model.Layers.Count} layers, {attending} of them with attention";
        return $"{name}: {layers}, {model.Width} wide, {Heads(model)}{FeedForward(model)}";
    }

    private static string Heads(ModelSpec model)
    {
        if (model.Layers.FirstOrDefault(layer => layer.Attention.Heads > 0)?.Attention is not { } attention) return "";
        return attention.KeyValueHeads == attention.Heads ? $"{attention.Heads} heads, "
            : $"{attention.Heads} heads on {attention.KeyValueHeads} for keys and values, ";
    }

    private static string FeedForward(ModelSpec model) =>
        model.Layers.FirstOrDefault(layer => layer.Experts is not null)?.Experts is { } experts
        ? $"{experts.Used} of {experts.Count} experts, each with feed-forward {experts.Width}"
        : $"feed-forward {model.Layers[0].FeedForward.Width}";

    private static string Licence(GgufMetadata data)
    {
        string? id = Short(data, "general.license"), name = Short(data, "general.license.name"), link = Short(data, "general.license.link");
        string[] parts = [.. new[] { id, name == id ? null : name, link }.OfType<string>()];
        return parts.Length == 0 ? "not stated in the file" : string.Join(", ", parts);
    }

    private static IEnumerable<string> Origin(GgufMetadata data) =>
        OriginKeys.In(data)
            .Select(
                key =>
                    $"{key["general.".Length..]}: {ShortValue(data.TryGet(key, out GgufValue? value) ? value : throw new KeyNotFoundException(key))}");

    private static void WritePlan(Report report, ModelPlan plan)
    {
        if (plan.Memory is not { } memory)
        {
            report.Heading("Memory: no plan, as it does not run here");
            report.Line($"  {Printable.Line(plan.Problem!)}");
            return;
        }
        report.Heading($"Memory for a context of {Quantity.Count(memory.ContextLength)} tokens (--context takes another)");
        string verdict = memory.Refusal(MachineMemory.Total, MachineMemory.Available) is null
            ? $"it fits: this machine has {Quantity.Bytes(MachineMemory.Total)}, {Quantity.Bytes(MachineMemory.Available)} of it free"
            : $"it does not fit: this machine has {Quantity.Bytes(MachineMemory.Total)}, {Quantity.Bytes(MachineMemory.Available)} of it "
                + "free";
        report.Fields(
        [
            ("weights", $"{Quantity.Bytes(memory.Weights)}, mapped from the file and shared by all programs that run it"),
            .. memory.OnDisk == 0 ? Array.Empty<(string, string)>()
                : [("on disk", $"{Quantity.Bytes(memory.OnDisk)} of tables, of which each token reads a row")],
            ("context", $"{Quantity.Bytes(memory.Cache)} when it is full"),
            ("working", Quantity.Bytes(memory.Working)),
            ("together", $"{Quantity.Bytes(memory.Total)}; {verdict}"),
        ]);
    }

    private static void WriteSpeech(Report report, GgufFile file)
    {
        report.Heading($"It hears: edgellm transcribe FILE --model {ShellWord.Quote(Printable.Line(file.Path))}");
        try
        {
            SpeechPlan plan = SpeechPlan.Of(file);
            report.Fields(
            [
                ("weights", $"{Quantity.Bytes(plan.Weights)}, mapped from the file and shared by all programs that run it"),
                ("working", $"{Quantity.Bytes(plan.Working)}, for sound of any length"),
            ]);
        }
        catch (Exception exception) when (exception is ModelException or GgufException)
        {
            report.Line($"  But it will not run: {Printable.Line(exception.Message)}");
        }
    }

    private static void WriteTypes(Report report, GgufFile file)
    {
        long all = Math.Max(1, file.Tensors.Sum(tensor => tensor.ByteCount));
        report.Table(["type", "tensors", "parameters", "size", "share"],
            TypeShare.Of(file).Select(share => new[]
            {
                share.Type, Quantity.Count(share.Tensors), Quantity.Large(share.Parameters), Quantity.Bytes(share.Bytes),
                Quantity.Text($"{100.0 * share.Bytes / all:F1} %"),
            }), 1, 2, 3, 4);
    }

    private static void WriteTensors(Report report, GgufFile file)
    {
        report.Line();
        report.Table(["tensor", "type", "shape", "bytes"],
            file.Tensors.Select(tensor => new[]
            {
                Printable.Line(tensor.Name, LongText), tensor.TypeName, string.Join(" x ", tensor.MatrixShape),
                Quantity.Count(tensor.ByteCount),
            }), 3);
    }

    private static string? Text(GgufMetadata data, string key) =>
        data.TryGet(key, out GgufValue? value) && value.TryGetString(out string? text) && text.Length > 0 ? text : null;

    private static string? Short(GgufMetadata data, string key) => Text(data, key) is { } text ? Printable.Line(text, LongText) : null;

    private static string ShortValue(GgufValue value)
    {
        if (value.Type != GgufValueType.Array)
        {
            string text = value.ToString();
            return text.Length <= LongText ? Printable.Line(text)
                : $"{Printable.Line(text, LongText)} ({Quantity.Count(text.Length)} characters)";
        }
        IEnumerable<string> items = value.TryGetStringArray(out GgufStringArray? texts)
            ? texts.Take(ShownItems).Select(text => $"'{Printable.Line(text, 20)}'")
            : value.TryGetArray(out double[]? numbers) ? numbers.Take(ShownItems).Select(number => Quantity.Text($"{number}")) : [];
        return $"{value.ItemType}[{Quantity.Count(value.Count)}] "
            + $"{string.Join(", ", items)}{(value.Count > ShownItems ? ", ..." : "")}".TrimEnd();
    }
}
