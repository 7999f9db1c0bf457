using System.CommandLine;
using EdgeLlm.Cli.Evaluation;
using EdgeLlm.Gguf;
using EdgeLlm.Models;
using EdgeLlm.Tokenization;

namespace EdgeLlm.Cli.Commands;

/// <summary>`edgellm tokenize`: text on standard input to token ids, and back.</summary>
internal static class TokenizeCommand
{
    public static Command Create()
    {
        var special = new Option<bool>("--special") { Description = "Parse special tokens in the text; with --decode, write them" };
        var addSpecial = new Option<bool>("--add-special")
        {
            Description = "Add the tokens that the model wants around a text, such as BOS; with --decode, take them away",
        };
        var jsonLines = new Option<bool>("--jsonl")
        {
            Description = "A JSON string a line in, a JSON array of ids a line out (with --decode the reverse)",
        };
        var decode =
            new Option<bool>("--decode") { Description = "Ids in, separated by spaces; the bytes that they stand for out, as they are" };
        var command = new Command("tokenize",
            "Turn text on standard input into token ids on one line. All of the input is the text, its last newline too.")
        {
            SharedOptions.Model, special, addSpecial, jsonLines, decode,
        };
        command.SetAction(result =>
        {
            var conversion = new TokenConversion(ReadTokenizer(SharedOptions.ModelPathOf(result)), result.GetValue(special),
                result.GetValue(addSpecial));
            using Stream input = StandardStreams.OpenInput(), output = StandardStreams.OpenOutput();
            switch (result.GetValue(decode), result.GetValue(jsonLines))
            {
                case (false, false): conversion.Encode(input, output); break;
                case (false, true): conversion.EncodeLines(input, output); break;
                case (true, false): conversion.Decode(input, output); break;
                case (true, true): conversion.DecodeLines(input, output); break;
            }
        });
        return command;
    }

    /// <summary>Needs no weights: a file with a vocabulary alone will do.</summary>
    private static Tokenizer ReadTokenizer(string path)
    {
        using GgufFile file = ModelFile.Open(path);
        return Tokenizer.Create(ModelLoader.ReadTokenizer(file));
    }
}
