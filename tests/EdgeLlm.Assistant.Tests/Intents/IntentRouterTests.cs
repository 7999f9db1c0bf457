using EdgeLlm.Assistant.Intents;
using EdgeLlm.Assistant.Settings;
using EdgeLlm.Devices.Sensors;

namespace EdgeLlm.Assistant.Tests.Intents;

public sealed class IntentRouterTests
{
    private static readonly IntentRouter Router = new(AssistantSettingsReader.Parse(TestHouse.Config));

    [Theory]
    [InlineData("en")]
    [InlineData("de")]
    [InlineData("fr")]
    [InlineData("es")]
    public void Of_500_near_misses_none_moves_an_output(string language)
    {
        List<string> moved = [.. Sentences.NearMisses(language, 500)
            .Where(text => Router.Find(text).Calls.Any(call => call.Tool is "set_light" or "set_relay")).Distinct()];
        Assert.Empty(moved);
    }

    [Theory]
    [InlineData("en", 85)]
    [InlineData("de", 80)]
    [InlineData("fr", 80)]
    [InlineData("es", 80)]
    public void Of_500_paraphrases_most_are_understood_and_none_wrongly(string language, int leastPercent)
    {
        int understood = 0;
        var missed = new SortedSet<string>();
        foreach ((string text, bool isOn) in Sentences.Paraphrases(language, 500))
        {
            IReadOnlyList<ToolCall> calls = Router.Find(text).Calls;
            if (calls.Count == 0)
            {
                missed.Add(text);
                continue;
            }
            understood++;
            ToolCall call = Assert.Single(calls);
            Assert.True(isOn != (call.Arguments.Contains("\"level\":0}", StringComparison.Ordinal)
                || call.Arguments.Contains("\"on\":false", StringComparison.Ordinal)), $"{text}: {call}");
        }
        TestContext.Current.TestOutputHelper!.WriteLine(
            $"{language}: {understood / 5.0:0.0} % of 500; missed: {string.Join(" | ", missed.Take(30))}");
        Assert.True(understood >= 5 * leastPercent, $"{understood / 5.0:0.0} %: {string.Join(" | ", missed.Take(30))}");
    }

    [Theory]
    [InlineData("turn on the kitchen light and the fan", "set_light kitchen light|set_relay fan")]
    [InlineData("turn on the kichen light", "set_light kitchen light")] // one letter of a long word
    [InlineData("turn on the light in the kitchen", "set_light kitchen light")]
    [InlineData("turn everything off", "set_light kitchen light|set_light desk lamp|set_relay fan|set_relay heater")]
    [InlineData("all lights off", "set_light kitchen light|set_light desk lamp")]
    [InlineData("turn on the light", "")] // which of two?
    [InlineData("turn everything on", "")]
    [InlineData("set the fan to 50 percent", "")]
    [InlineData("turn on the kitchen light on off", "")]
    [InlineData("turn on the fam", "")] // short words are not guessed
    [InlineData("turn on the living room", "")] // a sensor
    public void Targets_are_those_that_are_named(string text, string expected) =>
        Assert.Equal(expected,
            string.Join('|', Router.Find(text).Calls.Select(static call =>
                $"{call.Tool} {System.Text.Json.JsonDocument.Parse(call.Arguments).RootElement.GetProperty("device").GetString()}")));

    [Theory]
    [InlineData("What time is it?", "get_time")]
    [InlineData("Wie spät ist es?", "get_time")]
    [InlineData("Quelle heure est-il ?", "get_time")]
    [InlineData("¿Qué hora es?", "get_time")]
    [InlineData("What's the temperature in the living room?", "read_sensor")]
    [InlineData("Wie warm ist es im Wohnzimmer?", "read_sensor")]
    [InlineData("Quelle est la température du salon ?", "read_sensor")]
    [InlineData("¿Qué temperatura hace en el salón?", "read_sensor")]
    [InlineData("How humid is it in here?", "read_sensor")]
    [InlineData("Is the kitchen light on?", "get_state")]
    [InlineData("Ist das Küchenlicht an?", "get_state")]
    [InlineData("Set a timer for ten minutes", "set_timer")]
    [InlineData("Stelle einen Timer auf zehn Minuten", "set_timer")]
    [InlineData("Mets un minuteur de dix minutes", "set_timer")]
    [InlineData("Pon un temporizador de diez minutos", "set_timer")]
    [InlineData("Cancel the timer", "cancel_timer")]
    [InlineData("What's the weather like today?", "get_weather")]
    [InlineData("What is the temperature of the sun?", "")]
    [InlineData("What is the capital of France?", "")]
    [InlineData("", "")]
    [InlineData("?", "")]
    public void Questions_are_read_and_others_are_the_models(string text, string tool) =>
        Assert.Equal(tool, string.Join('|', Router.Find(text).Calls.Select(static call => call.Tool)));

    [Fact]
    public void Every_quantity_of_a_sensor_has_a_word_in_each_language() =>
        Assert.Empty(Vocabulary.All.SelectMany(static words => SensorCatalog.Models.SelectMany(static model => model.Quantities).Distinct()
            .Where(quantity => Record.Exception(() => words.Say(quantity)) is not null)
            .Select(quantity => $"{words.Language}.words has no line answer.{quantity}")));

    [Theory]
    [InlineData("set a timer for 1 hour and 30 minutes", 5400)]
    [InlineData("set a timer for an hour", 3600)]
    [InlineData("timer 90 seconds", 90)]
    [InlineData("stelle den Wecker auf fünfundzwanzig Minuten", 1500)]
    [InlineData("minuteur de quatre-vingt-dix secondes", 90)]
    [InlineData("pon un temporizador de treinta y cinco minutos", 2100)]
    public void Durations_are_read_in_words_and_digits(string text, int seconds) =>
        Assert.Equal($$"""{"seconds":{{seconds}}}""", Assert.Single(Router.Find(text).Calls).Arguments);

    [Fact]
    public void Hostile_texts_take_no_time()
    {
        foreach (string text in (string[])[new string('a', 100_000), string.Concat(Enumerable.Repeat("the ", 49)),
            string.Concat(Enumerable.Repeat("on ", 60)), "\u202Eturn on the fan", "turn\u200B on the fan", new string('\uD800', 40)])
            Assert.Empty(Router.Find(text).Calls);
    }
}
