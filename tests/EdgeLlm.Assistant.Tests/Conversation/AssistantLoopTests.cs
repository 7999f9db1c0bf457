using EdgeLlm.Assistant.Conversation;
using EdgeLlm.Assistant.Settings;

namespace EdgeLlm.Assistant.Tests.Conversation;

public sealed class AssistantLoopTests
{
    [Theory]
    [InlineData("Turn on the kitchen light.", "kitchen light is on.")]
    [InlineData("Mach das Küchenlicht an", "kitchen light ist an.")]
    [InlineData("Allume la lumière de la cuisine", "kitchen light : allumé.")]
    [InlineData("Enciende la luz de la cocina", "kitchen light: encendido.")]
    public async Task A_request_in_words_switches_the_light_in_each_language(string request, string answer)
    {
        using var house = new TestHouse();
        Assert.True(house.Hardware.Lines().IsHigh(TestHouse.KitchenLine)); // active low: off
        Assert.Equal(answer, await house.AskAsync(request));
        Assert.False(house.Hardware.Lines().IsHigh(TestHouse.KitchenLine));
    }

    [Fact]
    public async Task A_device_that_needs_a_confirmation_moves_only_after_a_yes()
    {
        using var house = new TestHouse();
        Assert.Equal("Shall I switch heater on?", await house.AskAsync("turn on the heater"));
        Assert.False(house.Hardware.Lines().IsHigh(TestHouse.HeaterLine));
        Assert.Equal("All right, I leave it.", await house.AskAsync("no"));
        await house.AskAsync("turn on the heater");
        Assert.Equal("heater is on.", await house.AskAsync("yes"));
        Assert.True(house.Hardware.Lines().IsHigh(TestHouse.HeaterLine));
        await house.AskAsync("turn off the heater");
        Assert.Equal("heater is off.", await house.SignalAsync(AssistantSignal.ButtonPressed));
    }

    [Fact]
    public async Task A_yes_that_comes_over_the_network_confirms_nothing()
    {
        using var house = new TestHouse();
        await house.AskAsync("turn on the heater");
        Assert.Equal("All right, I leave it.", await house.AskAsync("yes", Source.Wyoming));
        Assert.Equal("", await house.AskAsync("yes")); // nothing waits any more
        Assert.False(house.Hardware.Lines().IsHigh(TestHouse.HeaterLine));
    }

    [Fact]
    public async Task Sources_that_may_only_read_are_told_so()
    {
        using var house = new TestHouse();
        Assert.Equal("I may not do that from here.", await house.AskAsync("turn on the kitchen light", Source.Wyoming));
        Assert.Equal("The temperature of living room is 21.5 degrees.",
            await house.AskAsync("what is the temperature in the living room?", Source.Wyoming));
        Assert.Empty(house.Moves);
    }

    [Fact]
    public async Task Timers_say_when_they_are_over()
    {
        var time = new ManualTime();
        using var house = new TestHouse(time: time);
        Assert.Equal("The timer is set for 10 minutes.", await house.AskAsync("set a timer for ten minutes"));
        Assert.Equal("10 minutes left.", await house.AskAsync("how much time is left"));
        time.Advance(TimeSpan.FromMinutes(9));
        Assert.DoesNotContain(house.Events, one => one.Text.StartsWith("Time is up", StringComparison.Ordinal));
        time.Advance(TimeSpan.FromMinutes(1));
        for (int i = 0; i < 1200 && !house.Events.ToArray()
            .Any(one => one is { Kind: AssistantEventKind.Answered, Text: "Time is up: 10 minutes." }); i++)
            await Task.Delay(50, TestContext.Current.CancellationToken);
        Assert.Contains(house.Events.ToArray(), one => one is { Kind: AssistantEventKind.Answered, Text: "Time is up: 10 minutes." });
    }

    [Fact]
    public async Task All_outputs_are_safe_before_anything_else_and_after_the_end()
    {
        var house = new TestHouse();
        await house.AskAsync("turn on the kitchen light");
        await house.AskAsync("turn on the fan");
        Assert.True(house.Hardware.Lines().IsHigh(TestHouse.FanLine));
        house.Dispose();
        Assert.False(house.Hardware.Lines().IsHigh(TestHouse.FanLine));
        Assert.True(house.Hardware.Lines().IsHigh(TestHouse.KitchenLine)); // active low: off
        Assert.Equal((TestHouse.KitchenLine, true), (house.Hardware.Lines().Writes[0].Line, house.Hardware.Lines().Writes[0].IsHigh));
    }
}
