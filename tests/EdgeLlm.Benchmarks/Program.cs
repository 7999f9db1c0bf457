// Speed of the kernels on one thread, by BenchmarkDotNet. Results of a processor are kept in Results/NAME/.
//   dotnet run --project tests/EdgeLlm.Benchmarks -c Release -- --filter '*' [--keep NAME] [options of BenchmarkDotNet, such as --job short]
// Where numbers beside llama.cpp's are wanted: `edgellm bench`. A kernel alone, with streamed weights: tools/kernel-bench.
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Exporters;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.Emit;

int keep = Array.IndexOf(args, "--keep");
string? name = keep >= 0 && keep + 1 < args.Length ? args[keep + 1] : null;
if (keep >= 0) args = [.. args.Where((_, i) => i != keep && i != keep + 1)];

// In this process: a generated project would not see what is internal to the kernels.
IConfig config = ManualConfig.CreateEmpty()
    .AddJob(Job.ShortRun.WithToolchain(InProcessEmitToolchain.Instance))
    .AddLogger(DefaultConfig.Instance.GetLoggers().ToArray())
    .AddColumnProvider(DefaultConfig.Instance.GetColumnProviders().ToArray())
    .AddExporter(MarkdownExporter.GitHub)
    .WithArtifactsPath(Path.Combine(AppContext.BaseDirectory, "BenchmarkDotNet"));
BenchmarkSwitcher.FromAssembly(typeof(Program).Assembly).Run(args, config);

if (name is not null)
{
    string root = AppContext.BaseDirectory;
    while (!File.Exists(Path.Combine(root, "EdgeLlm.sln")))
        root = Path.GetDirectoryName(root) ?? throw new InvalidOperationException("run it inside of the repository");
    string folder = Path.Combine(root, "tests", "EdgeLlm.Benchmarks", "Results", name);
    Directory.CreateDirectory(folder);
    foreach (string report in Directory.EnumerateFiles(Path.Combine(config.ArtifactsPath!, "results"), "*.md"))
    {
        string target = Path.Combine(folder, Path.GetFileName(report).Replace("EdgeLlm.Benchmarks.", "").Replace("-report-github", ""));
        File.Copy(report, target, overwrite: true);
        Console.WriteLine(target);
    }
}
