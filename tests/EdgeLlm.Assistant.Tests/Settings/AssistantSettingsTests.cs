using EdgeLlm.Assistant.Settings;

namespace EdgeLlm.Assistant.Tests.Settings;

public sealed class AssistantSettingsTests
{
    [Theory]
    [InlineData("{ \"devicez\": {} }", 1, "\"devicez\" is not known here")]
    [InlineData("{\n\"devices\": {\n\"a\": { \"kind\": \"light\" }\n}\n}", 3, "needs \"line\" or \"pwm\"")]
    [InlineData("{\n\"devices\": {\n\"a\": { \"kind\": \"light\", \"line\": 5 },\n\"b\": { \"kind\": \"relay\", \"line\": 5 }\n}\n}", 4,
        "is on line 5, where \"a\" is, too")]
    [InlineData("{\n\"devices\": {\n\"a\": { \"kind\": \"lite\", \"line\": 5 } } }", 3, "must be one of \"light\"")]
    [InlineData("{\n\"devices\": {\n\"a\": { \"kind\": \"sensor\", \"model\": \"bme9\" } } }", 3, "is not a sensor that is known")]
    [InlineData("{\n\"devices\": {\n\"a\": { \"kind\": \"light\", \"line\": 5,\n\"hours\": \"7-25:00\" } } }", 4,
        "must be two times of day")]
    [InlineData("{\n\n\"languages\": [\"en\", \"xx\"] }", 3, "has \"xx\"; there is en, de, fr, es")]
    [InlineData("{\n\"times\": { \"confirmSeconds\": 60 } }", 2, "must be a number from 3 to 10")]
    [InlineData("{\n\"sources\": { \"everybody\": [\"*\"] } }", 2, "\"everybody\" is not known here")]
    [InlineData("{\n\"tools\": { \"commands\": { \"radio\": {\n\"command\": [\"mpc\", \"{station}\"] } } } }", 3,
        "has {station}, for which \"arguments\" has no pattern")]
    [InlineData(
        "{\n\"tools\": { \"commands\": { \"radio\": {\n\"command\": [\"{program}\"], \"arguments\": { \"program\": \".*\" } } } } }", 3,
        "must begin with a program")]
    [InlineData("{\n\"tools\": { \"mcp\": { \"x\": { \"url\": \"file:///etc\" } } } }", 2, "must be an address with http://")]
    [InlineData("{\n\"voice\": { \"command\": [\"flite\"], \"wyoming\": \"host:1\" } }", 2, "can't both be given")]
    [InlineData("{ \"hearing\": 3 }", 1, "must be an object")]
    [InlineData("{\n\"model\": \"a\",\n\"model\": \"b\" }", 3, "is there twice")]
    [InlineData("{\n\"model\": \"a\",,\n}", 2, "not valid JSON")]
    [InlineData("[]", 1, "must be one JSON object")]
    [InlineData("", 1, "is empty")]
    public void What_is_wrong_is_said_with_its_line(string json, int line, string problem)
    {
        var exception = Assert.Throws<ConfigException>(() => AssistantSettingsReader.Parse(json));
        Assert.StartsWith($"assistant.json line {line}: ", exception.Message, StringComparison.Ordinal);
        Assert.Contains(problem, exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Comments_and_trailing_commas_are_taken_and_defaults_are_safe()
    {
        AssistantSettings settings = AssistantSettingsReader.Parse("{ // a comment\n \"languages\": [\"de\",], }");
        Assert.Equal(["de"], settings.Languages);
        Assert.Equal(["*"], settings.ToolsOf(Source.Voice));
        foreach (Source source in (Source[])[Source.Page, Source.Wyoming, Source.Mcp, Source.Api])
            Assert.DoesNotContain(settings.ToolsOf(source), tool => tool is "*" or "set_light" or "set_relay" or "run_command");
        Assert.False(settings.Audio.VoiceInterrupts);
        Assert.True(settings.Audio.WakeWordInterrupts);
    }

    [Fact]
    public void Damaged_files_are_refused_with_a_line_and_nothing_else()
    {
        var random = new Random(23);
        byte[] whole = System.Text.Encoding.UTF8.GetBytes(TestHouse.Config);
        for (int i = 0; i < 2000; i++)
        {
            byte[] damaged = [.. whole];
            for (int changes = random.Next(1, 4); changes > 0; changes--) damaged[random.Next(damaged.Length)] = (byte)random.Next(256);
            if (random.Next(3) == 0) damaged = damaged[..random.Next(damaged.Length)];
            try
            {
                AssistantSettingsReader.Parse(System.Text.Encoding.Latin1.GetString(damaged));
            }
            catch (ConfigException exception)
            {
                Assert.Contains(" line ", exception.Message, StringComparison.Ordinal);
            }
        }
    }
}
