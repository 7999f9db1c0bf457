using System.Collections.Concurrent;
using System.Text;
using EdgeLlm.Assistant.Conversation;
using EdgeLlm.Cli.Assistant;
using EdgeLlm.Devices.Fakes;

namespace EdgeLlm.Cli.Tests.Assistant;

/// <summary>The terminal of `assistant --simulate`: the prompt comes after the answer, whatever is said in between.</summary>
public sealed class SimulatedTerminalTests
{
    [Fact]
    public async Task An_announcement_has_a_line_of_its_own_and_the_next_answer_still_comes_before_the_prompt()
    {
        await using var house = new House();
        await house.Shown.UntilAsync(static text => text.EndsWith("you> ", StringComparison.Ordinal));
        string before = house.Shown.ToString();
        house.Run.Host.Loop.Announce("Time is up.");
        await house.Shown.UntilAsync(text => text.Length > before.Length && text.EndsWith("you> ", StringComparison.Ordinal));
        Assert.Equal("\nTime is up.\nyou> ", house.Shown.ToString()[before.Length..]);
        before = house.Shown.ToString();
        house.Type("turn on the kitchen light");
        await house.Shown.UntilAsync(text => text.Length > before.Length && text.EndsWith("you> ", StringComparison.Ordinal));
        Assert.EndsWith("kitchen light is on.\nyou> ", house.Shown.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain("you> ", house.Shown.ToString()[before.Length..^"you> ".Length], StringComparison.Ordinal);
        Assert.Equal(0, await house.QuitAsync());
    }

    [Fact]
    public async Task A_line_typed_before_an_announcement_has_quite_ended_is_still_answered_before_the_prompt()
    {
        await using var house = new House();
        await house.Shown.UntilAsync(static text => text.EndsWith("you> ", StringComparison.Ordinal));
        using var isTyped = new ManualResetEventSlim();
        Action<AssistantEvent> show = house.Run.Happened!;
        house.Run.Happened = happened =>
        {
            if (happened is { Kind: AssistantEventKind.State, Text: "idle" })
            {
                isTyped.Wait(TestContext.Current.CancellationToken);
                show(happened);
                Thread.Sleep(100); // before the request itself: a prompt for this state would be seen
                return;
            }
            show(happened);
        };
        house.Run.Host.Loop.Announce("Time is up.");
        await house.Shown.UntilAsync(static text => text.EndsWith("Time is up.\nyou> ", StringComparison.Ordinal));
        string before = house.Shown.ToString();
        house.Type("turn on the kitchen light");
        await Task.Delay(100, TestContext.Current.CancellationToken); // until the terminal has passed it on
        isTyped.Set();
        await house.Shown.UntilAsync(text => text.Length > before.Length && text.EndsWith("you> ", StringComparison.Ordinal));
        Assert.EndsWith("kitchen light is on.\nyou> ", house.Shown.ToString(), StringComparison.Ordinal);
        Assert.Equal(0, await house.QuitAsync());
    }

    /// <summary>A simulated house at whose terminal somebody types.</summary>
    private sealed class House : IAsyncDisposable
    {
        private readonly FakeHardware _hardware = new();
        private readonly BlockingCollection<string> _lines = [];
        private readonly Task<int> _running;

        public House()
        {
            Run = new AssistantRun(SimulatedHouse.Settings with { Model = "none" }, _hardware, 1, static _ => { });
            _running = new SimulatedTerminal(Run, new Typed(_lines), Shown).RunAsync(TestContext.Current.CancellationToken);
        }

        public AssistantRun Run { get; }

        public Shown Shown { get; } = new();

        public void Type(string line) => _lines.Add(line, TestContext.Current.CancellationToken);

        public Task<int> QuitAsync()
        {
            Type("quit");
            return _running;
        }

        public async ValueTask DisposeAsync()
        {
            await Run.DisposeAsync();
            _lines.Dispose();
            _hardware.Dispose();
        }
    }

    private sealed class Typed(BlockingCollection<string> lines) : TextReader
    {
        public override string? ReadLine() => lines.Take(TestContext.Current.CancellationToken);
    }

    private sealed class Shown : TextWriter
    {
        private readonly StringBuilder _text = new();

        public override Encoding Encoding => Encoding.UTF8;

        public override void Write(char value)
        {
            lock (_text) _text.Append(value);
        }

        public override string ToString()
        {
            lock (_text) return _text.ToString();
        }

        public async Task UntilAsync(Func<string, bool> isSo)
        {
            for (int i = 0; !isSo(ToString()); i++)
            {
                Assert.True(i < 3000, ToString());
                await Task.Delay(10, TestContext.Current.CancellationToken);
            }
        }
    }
}
