using System.CommandLine;
using EdgeLlm.Cli.Output;

namespace EdgeLlm.Cli.Commands;

/// <summary>`edgellm rm`: removes a model from the user's folder, and from nowhere else.</summary>
internal static class RemoveCommand
{
    private static readonly Argument<string> Name = new("name") { Description = "The model's name as `edgellm list` shows it", HelpName = "NAME" };
    private static readonly Option<bool> Yes = new("--yes", "-y") { Description = "Do not ask" };

    public static Command Create()
    {
        var command = new Command("rm", "Remove a model that `pull` got.") { Name, Yes };
        command.SetAction(Run);
        return command;
    }

    private static int Run(ParseResult result)
    {
        var store = ModelStore.OfThisMachine();
        string name = result.GetValue(Name)!;
        StoredModel model = store.Find(name) ?? throw new FileNotFoundException($"there is no model '{Printable.Line(name)}' in {store.UserFolder} (`edgellm list` shows what is)");
        if (model.Place != ModelPlace.User) throw new IOException($"{model.Path} is not in your folder {store.UserFolder}: it stays");

        if (!result.GetValue(Yes))
        {
            if (!Terminal.HasPersonIn()) throw new ArgumentException($"rm asks before it removes '{Printable.Line(model.Name)}', and there is nobody to ask: --yes does not ask");
            Console.Write($"Remove {Printable.Line(model.Name)} ({Quantity.Bytes(model.Size)})? [y/N] ");
            if (Console.ReadLine()?.Trim() is not ("y" or "Y" or "yes"))
            {
                Console.WriteLine("Nothing was removed.");
                return ExitCode.Failure;
            }
        }
        long size = model.Size;
        foreach (string file in model.Files) File.Delete(file);
        Console.WriteLine($"Removed {Printable.Line(model.Name)}, {Quantity.Bytes(size)}.");
        return ExitCode.Success;
    }
}
