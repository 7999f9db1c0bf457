using System.Buffers;
using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using System.Text;
using System.Text.Json;
using EdgeLlm.Chat;
using EdgeLlm.Generation;
using EdgeLlm.Files;
using EdgeLlm.Gguf;
using EdgeLlm.Models;
using EdgeLlm.Tokenization;

namespace EdgeLlm.Cli.Commands;

/// <summary>`edgellm template`: the text that a chat template renders from messages.</summary>
internal static class TemplateCommand
{
    private static readonly string[] TimeFormats =
        ["yyyy-MM-dd", "yyyy-MM-dd'T'HH:mmK", "yyyy-MM-dd'T'HH:mm:ssK", "yyyy-MM-dd'T'HH:mm:ss.FFFFFFFK"];

    public static Command Create()
    {
        var template =
            new Option<string?>("--template") { Description = "A file with a Jinja template, instead of a model's", HelpName = "FILE" };
        var input = new Option<string>("--input")
        {
            Description =
                "A JSON object, the template's variables: messages, tools, add_generation_prompt, ... With a model, bos_token and "
                    + "eos_token are the model's unless they are here",
            HelpName = "FILE.json",
            Required = true,
        };
        var now = new Option<DateTimeOffset?>("--now")
        {
            Description = "The time that the template is told, such as 2026-03-14T09:26:53 (default: this machine's)",
            HelpName = "ISO-8601",
            CustomParser = ParseTime,
        };
        var command = new Command("template", "Render a chat template and write the text, and nothing more.") { SharedOptions.Model,
            template, SharedOptions.ChatTemplate, input, now };
        command.Validators.Add(result =>
        {
            if (result.GetResult(SharedOptions.Model) is not null && result.GetResult(template) is not null)
                result.AddError("--model and --template exclude each other");
            if (result.GetResult(SharedOptions.ChatTemplate) is not null && result.GetResult(template) is not null)
                result.AddError("--template and --chat-template exclude each other");
        });
        command.SetAction(result =>
        {
            string inputFile = result.GetValue(input)!;
            using JsonDocument document = ReadJson(inputFile);
            if (document.RootElement.ValueKind != JsonValueKind.Object) throw new InvalidDataException($"{inputFile}: not a JSON object");
            string text = result.GetValue(template) is { } file
                ? ChatTemplate.Parse(InputFile.ReadText(file, InputFile.MostSettingsBytes).TrimStart('\uFEFF'))
                    .Render(document.RootElement, result.GetValue(now))
                : RenderWithModel(SharedOptions.ModelPathOf(result), result.GetValue(SharedOptions.ChatTemplate),
                    document.RootElement, result.GetValue(now));
            using Stream output = StandardStreams.OpenOutput();
            output.Write(Encoding.UTF8.GetBytes(text));
        });
        return command;
    }

    private static string RenderWithModel(string path, string? chosen, JsonElement given, DateTimeOffset? now)
    {
        using GgufFile file = ModelFile.Open(path);
        Tokenizer tokenizer = ModelLoader.MakeTokenizer(file);
        ChatTemplate template = (chosen is null ? ModelLoader.ReadChatTemplate(file) : NamedTemplates.Read(chosen)) is { } source
            ? ChatTemplate.Parse(source)
            : tokenizer.FindToken("<|im_start|>") is not null ? ChatTemplate.BuiltIn
            : throw new InvalidDataException($"{path}: {ChatFormat.MissingTemplate}");
        using JsonDocument variables = WithSpecialTokens(given, tokenizer);
        return template.Render(variables.RootElement, now);
    }

    /// <summary>The object with the model's bos_token and eos_token where it has none of its own.</summary>
    private static JsonDocument WithSpecialTokens(JsonElement given, Tokenizer tokenizer)
    {
        ArrayBufferWriter<byte> bytes = new();
        using (var json = new Utf8JsonWriter(bytes))
        {
            json.WriteStartObject();
            foreach (JsonProperty property in given.EnumerateObject())
            {
                json.WritePropertyName(NameOf(property));
                json.WriteRawValue(property.Value.GetRawText(), skipInputValidation: true);
            }
            Add("bos_token", tokenizer.BosId);
            Add("eos_token", tokenizer.EosId);
            json.WriteEndObject();

            void Add(string name, int? token)
            {
                if (token is not { } id || given.TryGetProperty(name, out _)) return;
                ArrayBufferWriter<byte> text = new();
                tokenizer.Decode(id, text, renderSpecial: true);
                json.WriteString(name, text.WrittenSpan);
            }
        }
        return JsonDocument.Parse(bytes.WrittenMemory);
    }

    private static string NameOf(JsonProperty property)
    {
        try
        {
            return property.Name;
        }
        catch (InvalidOperationException)
        {
            throw new InvalidDataException("a key of the input is not valid Unicode (half a surrogate pair)");
        }
    }

    private static JsonDocument ReadJson(string path)
    {
        byte[] json = InputFile.Read(path, InputFile.MostSettingsBytes);
        if (json.AsSpan().StartsWith(Encoding.UTF8.Preamble)) json = json[Encoding.UTF8.Preamble.Length..];
        if (json.Length == 0) throw new FileException(path, "is empty; it must be a JSON object");
        try
        {
            return JsonDocument.Parse(json);
        }
        catch (JsonException exception)
        {
            throw new FileException(path,
                $"line {exception.LineNumber + 1}: this is not valid JSON: {exception.Message.Split(" LineNumber:")[0]}");
        }
    }

    private static DateTimeOffset? ParseTime(ArgumentResult result)
    {
        string text = result.Tokens[0].Value;
        if (DateTimeOffset.TryParseExact(text, TimeFormats, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal,
            out DateTimeOffset time))
            return time;
        result.AddError($"--now takes a time such as 2026-03-14T09:26:53 or 2026-03-14T09:26:53+01:00, not '{text}'");
        return null;
    }
}
