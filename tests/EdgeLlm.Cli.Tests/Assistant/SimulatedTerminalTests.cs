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
        using var hardware = new FakeHardware();
        await using var run = new AssistantRun(SimulatedHouse.Settings with { Model = "none" }, hardware, 1, static _ => { });
        using var lines = new BlockingCollection<string>();
        var shown = new Shown();
        Task<int> running =
            new SimulatedTerminal(run, new Typed(lines), shown).RunAsync(TestContext.Current.CancellationToken);
        await shown.UntilAsync(static text => text.EndsWith("you> ", StringComparison.Ordinal));
        string before = shown.ToString();
        run.Host.Loop.Announce("Time is up.");
        await shown.UntilAsync(text => text.Length > before.Length && text.EndsWith("you> ", StringComparison.Ordinal));
        Assert.Equal("\nTime is up.\nyou> ", shown.ToString()[before.Length..]);
        before = shown.ToString();
        lines.Add("turn on the kitchen light", TestContext.Current.CancellationToken);
        await shown.UntilAsync(text => text.Length > before.Length && text.EndsWith("you> ", StringComparison.Ordinal));
        Assert.EndsWith("kitchen light is on.\nyou> ", shown.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain("you> ", shown.ToString()[before.Length..^"you> ".Length], StringComparison.Ordinal);
        lines.Add("quit", TestContext.Current.CancellationToken);
        Assert.Equal(0, await running);
    }

    [Fact]
    public async Task A_line_typed_before_an_announcement_has_quite_ended_is_still_answered_before_the_prompt()
    {
        using var hardware = new FakeHardware();
        await using var run = new AssistantRun(SimulatedHouse.Settings with { Model = "none" }, hardware, 1, static _ => { });
        using var lines = new BlockingCollection<string>();
        var shown = new Shown();
        Task<int> running =
            new SimulatedTerminal(run, new Typed(lines), shown).RunAsync(TestContext.Current.CancellationToken);
        await shown.UntilAsync(static text => text.EndsWith("you> ", StringComparison.Ordinal));
        using var isTyped = new ManualResetEventSlim();
        Action<AssistantEvent> show = run.Happened!;
        run.Happened = happened =>
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
        run.Host.Loop.Announce("Time is up.");
        await shown.UntilAsync(static text => text.EndsWith("Time is up.\nyou> ", StringComparison.Ordinal));
        string before = shown.ToString();
        lines.Add("turn on the kitchen light", TestContext.Current.CancellationToken);
        await Task.Delay(100, TestContext.Current.CancellationToken); // until the terminal has passed it on
        isTyped.Set();
        await shown.UntilAsync(text => text.Length > before.Length && text.EndsWith("you> ", StringComparison.Ordinal));
        Assert.EndsWith("kitchen light is on.\nyou> ", shown.ToString(), StringComparison.Ordinal);
        lines.Add("quit", TestContext.Current.CancellationToken);
        Assert.Equal(0, await running);
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
