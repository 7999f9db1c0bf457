using System.CommandLine;
using EdgeLlm.Cli.Doctor;
using EdgeLlm.Cli.Machine;
using EdgeLlm.Cli.Output;
using EdgeLlm.Files;
using EdgeLlm.Models;

namespace EdgeLlm.Cli.Commands;

/// <summary>`edgellm doctor`: looks at the machine and says what is wrong and how to mend it.</summary>
internal static class DoctorCommand
{
    private static readonly Option<bool> Json = new("--json") { Description = "Print JSON" };

    public static Command Create()
    {
        var command = new Command("doctor",
            "Check this machine: processor, kernel, memory, power, disk. Ends with 1 where there is a problem.") { Json };
        command.SetAction(Run);
        return command;
    }

    private static int Run(ParseResult result)
    {
        SystemFiles files = SystemFiles.OfThisMachine;
        Check[] checks =
        [
            .. new ComputeChecks(files).All(),
            .. new MemoryChecks(files).All(),
            .. new RaspberryPiChecks(files, Firmware.Ask).All(),
            .. StorageChecks.All(ModelStore.OfThisMachine(), DefaultModelFile.Path),
        ];
        if (result.GetValue(Json)) WriteJson(checks);
        else WriteText(checks);
        return checks.Any(check => check.Status == CheckStatus.Problem) ? ExitCode.Failure : ExitCode.Success;
    }

    private static void WriteText(Check[] checks)
    {
        var report = new Report();
        report.Table(["status", "check", "found"],
            checks.Select(check => new[] { StatusName(check.Status), check.Name, Printable.Line(check.Value) }));
        Check[] mend = [.. checks.Where(check => check.Status != CheckStatus.Ok)];
        report.Line();
        if (mend.Length == 0)
        {
            report.Line("Nothing to mend.");
            return;
        }
        report.Heading("To mend, or to know");
        report.Fields(mend.Select(check => (check.Name, check.Advice ?? "")));
    }

    private static void WriteJson(Check[] checks) => JsonOutput.Write(json =>
    {
        json.WriteStartObject();
        json.WriteString("status", StatusName(checks.Max(check => check.Status)));
        json.WriteObjects("checks", checks, check =>
        {
            json.WriteString("name", check.Name);
            json.WriteString("status", StatusName(check.Status));
            json.WriteString("value", check.Value);
            json.WriteString("advice", check.Advice);
        });
        json.WriteEndObject();
    });

    private static string StatusName(CheckStatus status) => status switch
    {
        CheckStatus.Ok => "ok",
        CheckStatus.Note => "note",
        _ => "problem",
    };
}
