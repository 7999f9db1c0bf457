using System.CommandLine;
using System.Text;
using System.Text.Json;
using EdgeLlm.Cli.Output;
using EdgeLlm.Files;
using EdgeLlm.Speech;
using EdgeLlm.Speech.Phonemes;

namespace EdgeLlm.Cli.Commands;

/// <summary>`edgellm phonemes`: how a text is going to be spoken.</summary>
internal static class PhonemesCommand
{
    private const int MostBytes = 1 << 24;

    public static Command Create()
    {
        var text = new Argument<string>("text") { Description = "The text to read, or - for standard input", HelpName = "TEXT" };
        var json = new Option<bool>("--json")
        {
            Description =
                "Everything about the text as one line of JSON: sentences, words with their parts of speech, phonemes, their numbers",
        };
        var command = new Command("phonemes", "Show the phonemes with which a voice speaks an English text, a line a sentence.")
        {
            text, SharedOptions.Voice, SharedOptions.Lexicon, SharedOptions.Marks, SharedOptions.Markdown, json,
        };
        command.SetAction(result =>
        {
            SharedOptions.RequireOneReading(result);
            string given = result.GetValue(text)!;
            if (given == "-")
            {
                using Stream input = StandardStreams.OpenInput();
                given = Encoding.UTF8.GetString(InputFile.ReadToEnd("standard input", input, MostBytes));
            }
            using Phonemizer phonemizer =
                Phonemizer.Open(VoiceStore.PathOf(result.GetValue(SharedOptions.Voice)), SharedOptions.PhonemizerOptionsOf(result));
            using Stream output = StandardStreams.OpenOutput();
            IEnumerable<SpokenSentence> sentences =
                result.GetValue(SharedOptions.Markdown) ? phonemizer.Read(given, markdown: true) : phonemizer.ReadMarkup(given);
            if (result.GetValue(json))
            {
                JsonOutput.WriteLine(output, writer => Write(writer, given, [.. sentences]));
                return;
            }
            foreach (SpokenSentence sentence in sentences)
            {
                if (sentence.Phonemes.Length > 0) output.Write(Encoding.UTF8.GetBytes(sentence.Phonemes + "\n"));
            }
        });
        return command;
    }

    private static void Write(Utf8JsonWriter json, string text, SpokenSentence[] sentences)
    {
        json.WriteString("text", text);
        json.WriteObjects("sentences", sentences, sentence =>
        {
            json.WriteString("text", sentence.Text);
            json.WriteString("normalized", sentence.Normalized);
            json.WriteArray("tokens", sentence.Tokens, token =>
            {
                json.WriteStartArray();
                json.WriteStringValue(token.Text);
                json.WriteStringValue(token.Tag);
                json.WriteStringValue(token.Space ? " " : "");
                json.WriteEndArray();
            });
            json.WriteString("phonemes", sentence.Phonemes);
        });
        SpokenPiece[] pieces = [.. sentences.SelectMany(static sentence => sentence.Pieces)];
        json.WriteArray("phonemes", pieces, piece => json.WriteStringValue(piece.Phonemes));
        json.WriteArray("ids", pieces, piece =>
        {
            json.WriteStartArray();
            foreach (int id in piece.Ids) json.WriteNumberValue(id);
            json.WriteEndArray();
        });
    }
}
