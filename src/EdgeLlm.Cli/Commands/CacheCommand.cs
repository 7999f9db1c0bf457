using System.CommandLine;
using System.Globalization;
using EdgeLlm.Cli.Output;
using EdgeLlm.Files;
using EdgeLlm.Generation.Prefixes;

namespace EdgeLlm.Cli.Commands;

/// <summary>`edgellm cache`: what services keep of prompts between their runs.</summary>
internal static class CacheCommand
{
    private static readonly Option<string?> State =
        new("--state") { Description = "The service's state folder, such as /var/lib/edgellm (default: this user's)", HelpName = "FOLDER" };
    private static readonly Option<bool> Json = new("--json") { Description = "Print JSON; sizes in bytes" };

    public static Command Create()
    {
        var list = new Command("list", "List the files, the last used first.") { State, Json };
        var clear = new Command("clear", "Remove all of them. A service that is running goes on with what it has open.") { State };
        list.SetAction(List);
        clear.SetAction(Clear);
        return new Command("cache",
            "Prompts that `edgellm serve` has computed and keeps in files, so that they need not be computed again after a restart.") { list,
                clear };
    }

    private static string FolderOf(ParseResult result) =>
        result.GetValue(State) is { } state ? Path.Combine(state, "cache") : StateFolder.FileNamed("cache");

    private static int List(ParseResult result)
    {
        string folder = FolderOf(result);
        Entry[] entries = [.. FilesIn(folder).Select(Entry.Of)];
        if (result.GetValue(Json))
        {
            JsonOutput.Write(json =>
            {
                json.WriteStartArray();
                foreach (Entry entry in entries)
                {
                    json.WriteStartObject();
                    json.WriteString("path", entry.File.FullName);
                    json.WriteNumber("size", entry.File.Length);
                    json.WriteString("model", entry.Model);
                    json.WriteNumber("tokens", entry.Tokens);
                    json.WriteNumber("instructions", entry.Instructions);
                    json.WriteString("used", entry.File.LastWriteTimeUtc);
                    json.WriteString("problem", entry.Problem);
                    json.WriteEndObject();
                }
                json.WriteEndArray();
            });
            return ExitCode.Success;
        }
        if (entries.Length == 0)
        {
            Console.WriteLine($"There are no kept prompts in {Printable.Line(folder)}.");
            return ExitCode.Success;
        }
        new Report().Table(["file", "size", "model", "tokens", "of instructions", "used"], entries.Select(entry => new[]
        {
            Printable.Line(entry.File.Name), Quantity.Bytes(entry.File.Length), Printable.Line(entry.Model ?? entry.Problem ?? "-", 60),
            Quantity.Count(entry.Tokens),
            Quantity.Count(entry.Instructions), entry.File.LastWriteTime.ToString("yyyy-MM-dd HH:mm", CultureInfo.InvariantCulture),
        }), 1, 3, 4);
        return ExitCode.Success;
    }

    private static int Clear(ParseResult result)
    {
        IReadOnlyList<FileInfo> files = FilesIn(FolderOf(result));
        long bytes = files.Sum(file => file.Length);
        foreach (FileInfo file in files)
        {
            try
            {
                file.Delete();
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                throw FileException.Writing(file.FullName, exception);
            }
        }
        Console.WriteLine($"Removed {Quantity.Of(files.Count, "file")}, {Quantity.Bytes(bytes)}.");
        return ExitCode.Success;
    }

    private static IReadOnlyList<FileInfo> FilesIn(string folder)
    {
        try
        {
            return PrefixFolder.FilesIn(folder);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw FileException.Reading(folder, exception);
        }
    }

    private sealed record Entry(FileInfo File, string? Model, int Tokens, int Instructions, string? Problem)
    {
        public static Entry Of(FileInfo info)
        {
            try
            {
                using PrefixFile file = PrefixFile.Open(info.FullName);
                return new Entry(info, file.ModelName, file.Nodes.Sum(node => node.Tokens.Length),
                    file.Nodes.Sum(node => node.Instructions), null);
            }
            catch (Exception exception) when (exception is InvalidDataException or FileException)
            {
                return new Entry(info, null, 0, 0, exception.Message);
            }
        }
    }
}
