using System.Diagnostics;
using System.Text.RegularExpressions;
using EdgeLlm.Tools.NuGetClients;

// NuGet's clients against a running service: every feature that a client has works, or is refused by name where no model here can do it.
//   nuget-clients https://127.0.0.1:11434 KEY [PATTERN]        (SSL_CERT_FILE names the service's authority; run by tools/test-clients)
var service = new Service(new Uri(args[0]), args[1]);
List<Cell> cells =
    [.. OpenAiCells.Of(service), .. ExtensionsCells.Of(service), .. OllamaSharpCells.Of(service), .. SemanticKernelCells.Of(service)];
int failed = 0, run = 0;
foreach (Cell cell in cells)
{
    string name = $"{cell.Client}: {cell.Feature}";
    if (args.Length > 2 && !Regex.IsMatch(name, args[2])) continue;
    run++;
    long start = Stopwatch.GetTimestamp();
    try
    {
        await cell.Run();
        Console.WriteLine($"ok      {name} ({Stopwatch.GetElapsedTime(start).TotalSeconds:0.0} s)");
    }
#pragma warning disable CA1031 // whatever a client throws is this cell's result
    catch (Exception exception)
    {
        failed++;
        Console.WriteLine($"FAILED  {name}\n        {exception.ToString().ReplaceLineEndings("\n        ")}");
    }
#pragma warning restore CA1031
}
Console.WriteLine($".NET {Environment.Version}: {run - failed} cells work or are refused by name, {failed} fail");
return failed == 0 ? 0 : 1;
