using System.CommandLine;
using System.Globalization;
using EdgeLlm.Cli.Output;
using EdgeLlm.Files;
using EdgeLlm.Server.Access;

namespace EdgeLlm.Cli.Commands;

/// <summary>`edgellm keys`: who may use a service, and what.</summary>
internal static class KeysCommand
{
    private const string Lists = "Models that the key may use, separated by commas (default: all)";

    private static readonly Argument<string> Name =
        new("name") { Description = "What people call the key: letters, digits, '.', '-' and '_'", HelpName = "NAME" };
    private static readonly Option<bool> Admin =
        new("--admin") { Description = "Also to get, remove, load and unload models, and the admin view" };
    private static readonly Option<bool> Device =
        new("--device") { Description = "Also the assistant's conversation, which can use the machine's devices" };
    private static readonly Option<string?> Models = new("--models") { Description = Lists, HelpName = "LIST" };
    private static readonly Option<int?> Requests =
        AtLeastOne<int>("--requests-per-minute", "Most requests a minute (default: any number)");
    private static readonly Option<long?> Tokens =
        AtLeastOne<long>("--tokens-per-day", "Most tokens a day (UTC), those of prompts and answers together (default: any number)");
    private static readonly Option<string> File =
        new("--file") { Description = "The keys' file", HelpName = "FILE", DefaultValueFactory = _ => KeyFile.DefaultPath };
    private static readonly Option<bool> Json = new("--json") { Description = "Print JSON" };

    public static Command Create()
    {
        var add = new Command("add", "Make a key, print it once, and let it in: a running service takes it at once.") { Name, Admin, Device,
            Models, Requests, Tokens, File };
        var list = new Command("list", "List the keys: names, roles and limits. The keys themselves are kept nowhere.") { File, Json };
        var remove = new Command("remove", "Shut a key out at once.") { Name, File };
        add.Validators.Add(result =>
        {
            if (result.GetValue(Admin) && result.GetValue(Device))
                result.AddError("--admin and --device: an admin's key has what a device's has; give one of them");
        });
        add.SetAction(Add);
        list.SetAction(List);
        remove.SetAction(Remove);
        return new Command("keys",
            "API keys of the clients of `edgellm serve`. Without any, a service is for this machine alone.") { add, list, remove };
    }

    private static int Add(ParseResult result)
    {
        string name = result.GetValue(Name)!, file = result.GetValue(File)!;
        if (!ApiKey.IsName(name))
            throw new UsageException(
                $"a key's name has letters, digits, '.', '-' and '_', at most {ApiKey.LongestName}, not '{Printable.Line(name, 100)}'");
        string[]? models = result.GetValue(Models)?.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        if (models is []) throw new UsageException("--models takes models' names, separated by commas");
        (ApiKey key, string text) =
            ApiKey.Create(name, result.GetValue(Admin) ? KeyRole.Admin : result.GetValue(Device) ? KeyRole.Device : KeyRole.Use);
        key = key with { Models = models, RequestsPerMinute = result.GetValue(Requests) ?? 0, TokensPerDay = result.GetValue(Tokens) ?? 0 };
        KeyFile.Change(file, keys => keys.Any(other => other.Name == name)
            ? throw new UsageException($"there is a key '{name}' already: edgellm keys remove {name} shuts it out")
            : [.. keys, key]);
        Console.WriteLine(text);
        Console.Error.WriteLine(
            $"This is the key of '{name}' ({KeyFile.NameOf(key.Role)}), shown this once. Clients send it as `Authorization: Bearer KEY` "
                + "or `x-api-key: KEY`.");
        return ExitCode.Success;
    }

    private static int List(ParseResult result)
    {
        string file = result.GetValue(File)!;
        IReadOnlyList<ApiKey> keys = System.IO.File.Exists(file) ? KeyFile.Read(file) : [];
        if (result.GetValue(Json))
        {
            JsonOutput.Write(json =>
            {
                json.WriteStartArray();
                foreach (ApiKey key in keys) Write(json, key);
                json.WriteEndArray();
            });
            return ExitCode.Success;
        }
        if (keys.Count == 0)
        {
            Console.WriteLine($"There are no keys in {Printable.Line(file)}: a service without keys is for this machine alone.");
            return ExitCode.Success;
        }
        new Report().Table(["name", "role", "models", "requests/min", "tokens/day", "made"], keys.Select(key => new[]
        {
            key.Name, KeyFile.NameOf(key.Role), key.Models is { } models ? Printable.Line(string.Join(",", models), 60) : "all",
            key.RequestsPerMinute > 0 ? Quantity.Count(key.RequestsPerMinute) : "any",
            key.TokensPerDay > 0 ? Quantity.Count(key.TokensPerDay) : "any",
            key.Created == default ? "-" : key.Created.ToLocalTime().ToString("yyyy-MM-dd HH:mm", CultureInfo.InvariantCulture),
        }), 3, 4);
        return ExitCode.Success;
    }

    private static int Remove(ParseResult result)
    {
        string name = result.GetValue(Name)!, file = result.GetValue(File)!;
        bool isLast = false;
        KeyFile.Change(file, keys =>
        {
            ApiKey[] left = [.. keys.Where(key => key.Name != name)];
            if (left.Length == keys.Count)
                throw new UsageException($"there is no key '{Printable.Line(name, 100)}' in {file}: `edgellm keys list` shows them");
            isLast = left.Length == 0;
            return left;
        });
        Console.WriteLine($"Removed the key of '{name}'.");
        if (isLast)
            Console.WriteLine("It was the last one: without a key all programs of this machine may do all, and other machines nothing.");
        return ExitCode.Success;
    }

    private static void Write(System.Text.Json.Utf8JsonWriter json, ApiKey key)
    {
        json.WriteStartObject();
        json.WriteString("name", key.Name);
        json.WriteString("role", KeyFile.NameOf(key.Role));
        json.WriteArray("models", key.Models ?? [], json.WriteStringValue);
        json.WriteNumber("requests_per_minute", key.RequestsPerMinute);
        json.WriteNumber("tokens_per_day", key.TokensPerDay);
        json.WriteString("created", key.Created);
        json.WriteEndObject();
    }

    private static Option<T?> AtLeastOne<T>(string name, string description) where T : struct, IParsable<T>, IComparable<T> => new(name)
    {
        Description = description,
        HelpName = "N",
        CustomParser = result =>
        {
            if (T.TryParse(result.Tokens[0].Value, CultureInfo.InvariantCulture, out T value) && value.CompareTo(default) > 0) return value;
            result.AddError($"{name} takes a whole number of at least 1, not '{result.Tokens[0].Value}'");
            return null;
        },
    };
}
