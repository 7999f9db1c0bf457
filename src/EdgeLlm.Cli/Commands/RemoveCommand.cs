using System.CommandLine;
using EdgeLlm.Cli.Output;
using EdgeLlm.Files;
using EdgeLlm.Models;

namespace EdgeLlm.Cli.Commands;

/// <summary>`edgellm rm`: removes a model from the user's folder, or with --system from the system's, and from nowhere else.</summary>
internal static class RemoveCommand
{
    private static readonly Argument<string> Name = new("name")
    {
        Description = "The model's name as `edgellm list` shows it",
        HelpName = "NAME",
    };

    private static readonly Option<bool> FromSystem = new("--system") { Description = "Remove what `pull --system` got (takes root)" };
    private static readonly Option<bool> Yes = new("--yes", "-y") { Description = "Do not ask" };

    public static Command Create()
    {
        var command = new Command("rm", "Remove a model that `pull` got.") { Name, FromSystem, Yes };
        command.SetAction(Run);
        return command;
    }

    private static int Run(ParseResult result)
    {
        var store = ModelStore.OfThisMachine();
        string name = result.GetValue(Name)!;
        ModelPlace place = result.GetValue(FromSystem) ? ModelPlace.System : ModelPlace.User;
        StoredModel model = store.Find(name, place) ?? throw new FileNotFoundException(Missing(store, name, place));
        if (!result.GetValue(Yes))
        {
            if (!StandardStreams.HasPersonIn())
            {
                throw new UsageException($"rm asks before it removes '{Printable.Line(model.Name)}', and there is nobody to ask: "
                    + "--yes does not ask");
            }
            Console.Write($"Remove {Printable.Line(model.Name)} ({Quantity.Bytes(model.Size)})? [y/N] ");
            if (Console.ReadLine()?.Trim() is not ("y" or "Y" or "yes"))
            {
                Console.WriteLine("Nothing was removed.");
                return ExitCode.Failure;
            }
        }
        string what = model.IsLink ? "only a link: the file that it led to stays" : Quantity.Bytes(model.Size);
        foreach (string file in model.Files) Delete(file);
        Console.WriteLine($"Removed {Printable.Line(model.Name)}, {what}.");
        return ExitCode.Success;
    }

    private static void Delete(string file)
    {
        try
        {
            File.Delete(file);
        }
        catch (UnauthorizedAccessException)
        {
            throw new FileException(file, "may not be removed by this user");
        }
        catch (IOException exception)
        {
            throw FileException.Writing(file, exception);
        }
    }

    private static string Missing(ModelStore store, string name, ModelPlace place)
    {
        string folder = place == ModelPlace.System ? store.SystemFolder : store.UserFolder;
        if (store.Find(name) is { } elsewhere)
        {
            return elsewhere.Place == ModelPlace.System
                ? $"{elsewhere.Path} is not in your folder {folder}: it stays (sudo edgellm rm --system removes it)"
                : $"{elsewhere.Path} is not in {folder}: it stays";
        }
        string? near = Suggestion.For(name, store.Models().Where(model => model.Place == place).Select(model => model.Name));
        string advice = near is null ? "`edgellm list` shows the models that are here" : $"did you mean {Printable.Line(near)}?";
        return $"there is no model '{Printable.Line(name, 100)}' in {folder}: {advice}";
    }
}
