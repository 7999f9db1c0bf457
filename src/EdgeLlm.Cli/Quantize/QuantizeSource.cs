using EdgeLlm.Cli.Inspect;
using EdgeLlm.Cli.Output;
using EdgeLlm.Files;
using EdgeLlm.Gguf;
using EdgeLlm.Models;
using EdgeLlm.Quantization.Import;

namespace EdgeLlm.Cli.Quantize;

/// <summary>The file that `quantize` reads: a GGUF file, or what a Hugging Face folder becomes, which lasts as long as this.</summary>
internal sealed class QuantizeSource : IDisposable
{
    private readonly string? _temporary;

    private QuantizeSource(string path, string input, string? chatTemplate, bool isTemporary)
    {
        _temporary = isTemporary ? path : null;
        try
        {
            File = GgufFile.Open(path);
            if (chatTemplate is not null) File.Metadata.Override("tokenizer.chat_template", GgufValue.Of(chatTemplate));
            foreach (string note in ModelPlan.Of(File, new ModelOptions()).RequireRunnable(input).Notes)
                Console.Error.WriteLine($"edgellm: {Printable.Line(input)}: {note}");
        }
        catch
        {
            File?.Dispose();
            Remove();
            throw;
        }
    }

    public GgufFile File { get; }

    /// <summary>The files that reading an input reads: those of a model, or all of a folder.</summary>
    public static string[] FilesOf(string input)
    {
        if (Directory.Exists(input)) return Directory.GetFiles(input);
        using GgufFile file = GgufFile.Open(ModelStore.OfThisMachine().PathOf(input));
        return [.. file.Maps.Select(map => map.Path)];
    }

    /// <param name="chatTemplate">The Jinja source that the output receives in the place of the input's template; null: its own.</param>
    /// <param name="output">What is going to be made: the temporary file is beside it. Null: nothing is, and it is where temporary files
    /// do.</param>
    /// <param name="needsWeights">Whether the weights are going to be read; otherwise the file only tells of them.</param>
    public static async Task<QuantizeSource> OpenAsync(string input, string? chatTemplate, string? output, bool needsWeights,
        CancellationToken cancellation)
    {
        if (!Directory.Exists(input))
            return new QuantizeSource(ModelStore.OfThisMachine().PathOf(input), input, chatTemplate, isTemporary: false);
        using var model = HuggingFaceModel.Open(input);
        foreach (string note in model.Notes) await Console.Error.WriteLineAsync($"edgellm: {Printable.Line(note)}").ConfigureAwait(false);
        string temporary = output is null ? Path.Combine(Path.GetTempPath(), "edgellm-" + Path.GetRandomFileName())
            : output + ".source.tmp";
        if (!needsWeights)
        {
            model.SaveOutline(temporary);
            return new QuantizeSource(temporary, input, chatTemplate, isTemporary: true);
        }
        string place = output ?? Path.GetTempPath();
        FreeSpace.Require(place, model.ByteCount);
        long written = 0;
        try
        {
            await ByteProgress.RunAsync("reading the folder", model.ByteCount,
                (at, _) => Task.Run(() => model.Save(temporary, bytes => at(written += bytes), cancellation), cancellation))
                .ConfigureAwait(false);
        }
        catch (FileException exception) when (exception.Path == temporary)
        {
            throw new FileException(place, exception.Problem, exception); // not the name of a temporary file
        }
        return new QuantizeSource(temporary, input, chatTemplate, isTemporary: true);
    }

    public void Dispose()
    {
        File.Dispose();
        Remove();
    }

    private void Remove()
    {
        if (_temporary is not null) System.IO.File.Delete(_temporary);
    }
}
