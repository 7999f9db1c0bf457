using System.CommandLine;
using EdgeLlm.Files;
using EdgeLlm.Models;
using EdgeLlm.Models.Adapters;
using EdgeLlm.Server.Library;

namespace EdgeLlm.Cli.Commands;

/// <summary>`edgellm create`: a model for the service out of another one and a Modelfile.</summary>
internal static class CreateCommand
{
    private const int MostBytes = 1 << 20;

    private static readonly Argument<string> Name = new("name") { HelpName = "NAME", Description = "What clients of the service call it" };

    private static readonly Option<string> File = new("--file", "-f")
    {
        HelpName = "FILE",
        Description = "A Modelfile: FROM, ADAPTER, SYSTEM, TEMPLATE (Jinja), PARAMETER, MESSAGE, LICENSE (default: Modelfile)",
        DefaultValueFactory = _ => "Modelfile",
    };

    public static Command Create()
    {
        var command = new Command("create",
            "Make a model for the service out of another one and a Modelfile, kept as a small JSON file beside the models.") { Name, File };
        command.SetAction(result =>
        {
            string path = result.GetValue(File)!, name = result.GetValue(Name)!;
            ModelStore store = ModelStore.OfThisMachine();
            ModelLibrary library = ServeCommand.LibraryOf(store);
            try
            {
                DerivedModel model = Modelfile.Parse(InputFile.ReadText(path, MostBytes));
                string from = model.From;
                if (System.IO.File.Exists(from) && store.Find(from) is null)
                    throw new ArgumentException(
                        $"FROM names the file {from}: a model of `edgellm list` is taken, whose file is in {library.Folder} or "
                            + $"{store.SystemFolder}");
                if (store.Find(from) is null && !library.Derived().Any(one => one.Name.Equals(from, StringComparison.OrdinalIgnoreCase)))
                    throw new ArgumentException(
                        $"FROM names '{Printable.Line(from)}', which is not here: `edgellm list` shows the models, and `edgellm pull "
                            + "OWNER/NAME` gets others from Hugging Face (names of Ollama's library are not read)");
                model = model with
                {
                    Adapters = [.. model.Adapters.Select(adapter => adapter with { Path = RequireAdapter(adapter.Path!, path) })],
                };
                library.Write(name, model);
            }
            catch (ArgumentException exception)
            {
                throw new UsageException($"{Printable.Line(path)}: {exception.Message}");
            }
            Console.WriteLine($"{Printable.Line(name)} is in {Printable.Line(library.Folder)}; `edgellm serve` offers it");
        });
        return command;
    }

    /// <summary>The path of an adapter, which may be given from the Modelfile's folder on.</summary>
    private static string RequireAdapter(string adapter, string modelfile)
    {
        string path = Path.GetFullPath(adapter, Path.GetDirectoryName(Path.GetFullPath(modelfile))!);
        if (!Directory.Exists(path) && !System.IO.File.Exists(path))
            throw new ArgumentException($"ADAPTER names {Printable.Line(path)}, which is not there");
        if (!Adapter.IsAdapter(path))
            throw new ArgumentException(
                $"ADAPTER names {Printable.Line(path)}, which is no adapter: a folder with adapter_config.json and "
                    + "adapter_model.safetensors, or a GGUF file of one, is");
        return path;
    }
}
