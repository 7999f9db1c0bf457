using System.Text.RegularExpressions;
using EdgeLlm.Assistant.Settings;
using EdgeLlm.Devices;
using EdgeLlm.Devices.Sensors;
using EdgeLlm.Tests;

namespace EdgeLlm.Assistant.Tests.Settings;

/// <summary>The guide has every tool, setting, device and sensor that the program has.</summary>
public sealed partial class GuideTests
{
    private static readonly string Guide = File.ReadAllText(Path.Combine(SharedFolder.RepositoryRoot, "docs", "assistant.md"));

    [Fact]
    public void Every_tool_is_in_the_guide()
    {
        using var house = new TestHouse(TestHouse.Config.TrimEnd()[..^1]
            + """, "tools": { "notesFolder": "/tmp", "commands": { "a": { "command": ["true"] } } } }""");
        Assert.All(house.Host.Gate.ToolsFor(Source.Voice),
            static tool => Assert.Contains($"`{tool.Name}`", Guide, StringComparison.Ordinal));
    }

    [Fact]
    public void Every_setting_is_in_the_guide()
    {
        string folder = Path.Combine(SharedFolder.RepositoryRoot, "src", "EdgeLlm.Assistant", "Settings");
        string[] names = [.. Directory.GetFiles(folder, "*Reader.cs").SelectMany(static file => Lists().Matches(File.ReadAllText(file)))
            .SelectMany(static match => Name().Matches(match.Value)).Select(static match => match.Groups[1].Value).Distinct()];
        Assert.True(names.Length > 50, $"{names.Length} settings");
        string[] missing = [.. names.Where(static name => !Regex.IsMatch(Guide, $"[`\"]{Regex.Escape(name)}[`\"]"))];
        Assert.Empty(missing);
    }

    [Fact]
    public void Every_kind_of_device_and_sensor_is_in_the_guide()
    {
        Assert.All(Enum.GetNames<DeviceKind>(),
            static kind => Assert.Contains($"| `{kind.ToLowerInvariant()}` |", Guide, StringComparison.Ordinal));
        Assert.All(SensorCatalog.Models, static model => Assert.Matches($@"\b{model.Name}\b", Guide));
    }

    [GeneratedRegex("""AllowOnly\([^)]*\)|=> \["[^\]]*\]""")]
    private static partial Regex Lists();

    [GeneratedRegex("\"([A-Za-z0-9]+)\"")]
    private static partial Regex Name();
}
