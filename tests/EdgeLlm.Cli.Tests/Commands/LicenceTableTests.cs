using System.Text;
using EdgeLlm.Cli.Tests.Pull;
using EdgeLlm.Gguf;
using EdgeLlm.Models.Licences;
using EdgeLlm.Tests;

namespace EdgeLlm.Cli.Tests.Commands;

/// <summary>
/// A machine's policy and models' licences, end to end: 40 spellings, each allowed, not allowed and without a policy for it, by every
/// command that opens or gets a model.
/// </summary>
public sealed class LicenceTableTests
{
    /// <summary>Spelling, name of an `other`, SPDX name; "": not known.</summary>
    private static readonly (string Licence, string Name, string Id)[] Spellings =
    [
        ("apache-2.0", "", "Apache-2.0"), ("Apache-2.0", "", "Apache-2.0"), ("Apache 2.0", "", "Apache-2.0"),
        ("apache license 2.0", "", "Apache-2.0"), ("APACHE_2.0", "", "Apache-2.0"), ("mit", "", "MIT"),
        ("MIT License", "", "MIT"), ("bsd-3-clause", "", "BSD-3-Clause"), ("bsd", "", "BSD-3-Clause"), ("isc", "", "ISC"),
        ("cc0-1.0", "", "CC0-1.0"), ("cc-by-4.0", "", "CC-BY-4.0"), ("CC BY 4.0", "", "CC-BY-4.0"),
        ("cc-by-sa-4.0", "", "CC-BY-SA-4.0"), ("cc-by-nc-4.0", "", "CC-BY-NC-4.0"), ("CC-BY-NC 4.0", "", "CC-BY-NC-4.0"),
        ("cc-by-nc-sa-4.0", "", "CC-BY-NC-SA-4.0"), ("gpl-3.0", "", "GPL-3.0-only"),
        ("GPL-3.0-or-later", "", "GPL-3.0-or-later"), ("agpl-3.0", "", "AGPL-3.0-only"), ("lgpl-3.0", "", "LGPL-3.0-only"),
        ("mpl-2.0", "", "MPL-2.0"), ("llama2", "", "LicenseRef-llama2"), ("llama3.2", "", "LicenseRef-llama3.2"),
        ("LicenseRef-llama3.2", "", "LicenseRef-llama3.2"), ("gemma", "", "LicenseRef-gemma"), ("openrail", "", "LicenseRef-openrail"),
        ("other", "tongyi-qianwen", "LicenseRef-tongyi-qianwen"), ("other", "gemma-terms-of-use", "LicenseRef-gemma"),
        ("other", "qwen-research", "LicenseRef-qwen-research"), ("llama3", "", "LicenseRef-llama3"),
        ("llama3.1", "", "LicenseRef-llama3.1"), ("MIT OR GPL-3.0-only", "", "MIT"),
        ("creativeml-openrail-m", "", "LicenseRef-creativeml-openrail-m"),
        ("other", "", ""), ("unknown", "", ""), ("", "", ""), ("see LICENSE", "", ""), ("none", "", ""), ("apache-3.0", "", ""),
    ];

    public enum Policy { Allowed, NotAllowed, Unknown }

    [Theory]
    [InlineData(Policy.Allowed), InlineData(Policy.NotAllowed), InlineData(Policy.Unknown)]
    public async Task Each_command_obeys_the_policy(Policy policy)
    {
        Assert.Equal(40, Spellings.Length);
        using var folder = new TemporaryFolder();
        var wrong = new List<string>();
        try
        {
            for (int i = 0; i < Spellings.Length; i++)
            {
                (string licence, string name, string id) = Spellings[i];
                bool isKnown = id.Length > 0, isAllowed = policy == Policy.Allowed || (policy == Policy.Unknown && isKnown);
                string file = folder.Write($"policy-{i}.json", policy switch
                {
                    Policy.Allowed => $$"""{"licences": {"allow": ["{{(isKnown ? id : "MIT")}}"]}, "unknown": "allow"}""",
                    Policy.NotAllowed => """{"licences": {"allow": ["WTFPL"]}, "unknown": "refuse"}""",
                    _ => """{"unknown": "refuse"}""",
                });
                foreach ((string command, CliResult result) in await AllAsync(folder, i, licence, name, file))
                {
                    bool isRefused = command == "serve" ? !result.Output.Contains($"m{i}", StringComparison.Ordinal)
                        : result.ExitCode == 1 && result.Output.Length == 0; // serve starts with another model that is allowed
                    bool isRight = isAllowed ? result.ExitCode == 0
                        : isRefused && result.Error.Contains($"is not allowed by {file}", StringComparison.Ordinal)
                        && (!isKnown || name.Length > 0 || result.Error.Contains(id, StringComparison.Ordinal));
                    if (!isRight) wrong.Add($"{command}, '{licence}' {name}: {result.ExitCode} {result.Error.Trim()}");
                }
            }
        }
        finally
        {
            LicencePolicy.PathOfTest = null;
        }
        Assert.True(wrong.Count == 0, string.Join('\n', wrong));
    }

    /// <summary>Results of all commands on a model, adapter or repository of a licence.</summary>
    private static async Task<List<(string, CliResult)>> AllAsync(TemporaryFolder folder, int number, string licence,
        string name, string policy)
    {
        string model = folder.PathOf($"m{number}.gguf"), adapter = folder.PathOf($"a{number}"),
            plain = SharedFolder.Require("golden", "logits", "llama", "model.gguf"), output = folder.PathOf("merged.gguf");
        using (GgufFile source = GgufFile.Open(plain))
        {
            GgufWriter writer = GgufWriter.CopyOf(source);
            if (licence.Length > 0) writer.Set("general.license", GgufValue.Of(licence));
            if (name.Length > 0) writer.Set("general.license.name", GgufValue.Of(name));
            writer.Save(model);
        }
        Directory.CreateDirectory(adapter);
        foreach (string file in new[] { "adapter_config.json", "adapter_model.safetensors" })
            File.Copy(SharedFolder.Require("golden", "adapters", "qv-r4", file), Path.Combine(adapter, file), overwrite: true);
        string card = "---\n" + (licence.Length > 0 ? $"license: {licence}\n" : "") + (name.Length > 0 ? $"license_name: {name}\n"
            : "") + "---\n# x\n", free = folder.PathOf("free.gguf");
        File.WriteAllText(Path.Combine(adapter, "README.md"), card);
        if (!File.Exists(free))
        {
            using GgufFile source = GgufFile.Open(plain);
            GgufWriter writer = GgufWriter.CopyOf(source);
            writer.Set("general.license", GgufValue.Of("wtfpl"));
            writer.Save(free);
        }
        // Of the adapter alone: its base is one that every policy allows.
        string own = policy + ".adapter.json";
        File.WriteAllText(own, File.ReadAllText(policy).Replace("\"allow\": [", "\"allow\": [\"WTFPL\", ", StringComparison.Ordinal));
        using var hub = LocalHub.With(new() { ["tiny-Q4_0.gguf"] = SampleGguf.Bytes(), ["README.md"] = Encoding.UTF8.GetBytes(card) });
        var results = new List<(string, CliResult)>
        {
            ("run", await RunAsync(policy, "run", "-m", model, "--raw", "-p", "a", "-n", "1", "-t", "1")),
            ("serve", await RunAsync(policy, "serve", "--check", "--model", model)),
            ("merge", await RunAsync(policy, "merge", model, output, "--force", "--lora", adapter)),
            ("adapter", await RunAsync(own, "run", "-m", free, "--raw", "-p", "a", "-n", "1", "-t", "1", "--lora", adapter)),
            ("pull", await RunAsync(policy, ["pull", "owner/name"],
                new Dictionary<string, string?>(folder.Environment) { ["HF_ENDPOINT"] = hub.Address })),
        };
        File.Delete(model);
        if (Directory.Exists(folder.Models)) Directory.Delete(folder.Models, recursive: true);
        return [.. results.Select(one => one.Item1 == "adapter"
            ? (one.Item1, one.Item2 with { Error = one.Item2.Error.Replace(own, policy, StringComparison.Ordinal) }) : one)];
    }

    private static Task<CliResult> RunAsync(string policy, params string[] args) => RunAsync(policy, args, null);

    private static Task<CliResult> RunAsync(string policy, string[] args, Dictionary<string, string?>? environment)
    {
        LicencePolicy.PathOfTest = policy;
        return TestCli.RunAsync(args, null, environment);
    }
}
