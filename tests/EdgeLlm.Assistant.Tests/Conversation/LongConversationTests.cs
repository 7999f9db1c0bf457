using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using EdgeLlm.Assistant.Conversation;
using EdgeLlm.Assistant.Settings;
using EdgeLlm.Assistant.Sound;
using EdgeLlm.Assistant.Tests.Voice;
using EdgeLlm.Chat;
using EdgeLlm.Devices.Fakes;
using EdgeLlm.Devices.Sensors;

namespace EdgeLlm.Assistant.Tests.Conversation;

/// <summary>
/// Hours of conversation in compressed time, by a fixed seed. EDGELLM_WHOLE=1: 8 hours instead of 48 minutes. No other test runs beside it,
/// as it measures the process's memory.
/// </summary>
[CollectionDefinition(nameof(LongConversationTests), DisableParallelization = true)]
[Collection(nameof(LongConversationTests))]
public sealed class LongConversationTests
{
    private static readonly string[] Sentences =
    [
        "turn on the kitchen light", "turn off the kitchen light", "turn on the heater", "yes", "no", "set a timer for one minute",
        "what time is it", "tell me a story", "what is the temperature in the living room",
        "", "set the desk lamp to half", "cancel the timer", "fail", "how much time is left", "stop",
        "turn on all the lights", "call without end",
    ];

    [Fact]
    public async Task Hours_of_conversation_leave_no_stuck_state_and_memory_as_it_was()
    {
        bool isWhole = EchoTests.IsWhole;
        var (time, random, events) = (new ManualTime(), new Random(8), new ConcurrentDictionary<AssistantEventKind, int>());
        var sink = new RecordingSink(time);
        AssistantHost? host = null;
        var source = new SpokenSource(time, () => host?.Loop);
        AssistantSettings settings =
            AssistantSettingsReader.Parse(TestHouse.Config) with { Hearing = new HearingSettings { VoiceActivity = "energy" } };
        using var hardware = new FakeHardware();
        host = new AssistantHost(settings, new HostOptions
        {
            Hardware = hardware,
            Time = time,
            Problem = static _ => { },
            Source = source,
            Sink = sink,
            Generate = TalkAsync,
            Speech = SpeechParts.Of(HearAsync, new Assistant.Conversation.Voice(24_000, SpeakAsync)),
            SimulateSensor = static sensor => new Sensor(sensor, static () => [new Measurement("temperature", 21.5, "°C")]),
        })
        { Happened = happened => events.AddOrUpdate(happened.Kind, 1, static (_, count) => count + 1) };
        using var stop = new CancellationTokenSource();
        Task running = host.RunAsync(stop.Token);
        AssistantLoop loop = host.Loop;
        TimeSpan whole = TimeSpan.FromHours(isWhole ? 8 : .8);
        long early = 0;
        while (time.GetUtcNow() - time.Begin < whole)
        {
            await StepAsync();
            if (random.Next(8) == 0) await SettleAsync();
            if (early != 0 || time.GetUtcNow() - time.Begin < whole / 2) continue;
            await SettleAsync();
            early = Memory();
        }
        await SettleAsync();
        long late = Memory();
        await stop.CancelAsync();
        await running;
        host.Dispose();
        TestContext.Current.TestOutputHelper?.WriteLine(
            $"{loop.Turns} turns in {whole.TotalHours} h, "
                + $"{string.Join(", ", events.OrderBy(static one => one.Key).Select(static one => $"{one.Value} {one.Key}"))}; managed "
                + $"memory {early / 1024} kB after a half, {late / 1024} kB at the end");
        Assert.True(loop.Turns > whole.TotalMinutes, $"only {loop.Turns} turns");
        // Buffers of sound are as large as the longest so far.
        Assert.True(late < early + (2 << 20), $"memory grows from {early} to {late}");

        async Task StepAsync()
        {
            switch (random.Next(9))
            {
                case 0: loop.Signal(AssistantSignal.ButtonPressed); break;
                case 1: loop.Signal(AssistantSignal.ButtonReleased); break;
                case 2: loop.Signal(AssistantSignal.WakeWord); break;
                case 3:
                    loop.Say(new TextRequest(Sentences[random.Next(Sentences.Length)],
                        random.Next(3) == 0 ? Source.Wyoming : Source.Voice)); break;
                case 4 when random.Next(4) == 0: loop.Signal(AssistantSignal.Cancelled); break;
                case 5: time.Advance(TimeSpan.FromSeconds(random.Next(20))); break;
                default:
                    loop.Signal(AssistantSignal.WakeWord);
                    source.Say(Person.Pause(.3), Noise(random.Next(), .5), Person.Pause(.7));
                    break;
            }
            await Task.Delay(1, TestContext.Current.CancellationToken);
        }

        async Task SettleAsync()
        {
            // Whatever is going on, time alone ends it.
            for (int i = 0; !(source.IsSilent && loop is { State: AssistantState.Idle, IsSettled: true, IsIdle: true }); i++)
            {
                Assert.True(i < 20_000, $"stuck in {loop.State}");
                await Task.Delay(1, TestContext.Current.CancellationToken);
                if (i > 200) time.Advance(TimeSpan.FromSeconds(1));
            }
            sink.Clear();
        }
    }

    private static long Memory()
    {
        for (int i = 0; i < 3; i++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }
        return GC.GetTotalMemory(forceFullCollection: true);
    }

    private static float[] Noise(int seed, double seconds)
    {
        var random = new Random(seed);
        float[] sound = new float[(int)(seconds * 16_000)];
        for (int i = 0; i < sound.Length; i++) sound[i] = .2f * (float)(random.NextDouble() - .5);
        return sound;
    }

    /// <summary>Words that follow from the sound.</summary>
    private static async Task<string> HearAsync(float[] samples, string? language, CancellationToken cancellation)
    {
        await Task.Yield();
        int sum = samples.Aggregate(0, static (sum, sample) => sum * 31 + (int)(sample * 1000));
        string text = Sentences[(int)((uint)sum % Sentences.Length)];
        return text == "fail" ? throw new InvalidOperationException("the recognizer is damaged") : text;
    }

    private static async IAsyncEnumerable<ReadOnlyMemory<float>> SpeakAsync(IAsyncEnumerable<string> text,
        [EnumeratorCancellation] CancellationToken cancellation)
    {
        await foreach (string piece in text.WithCancellation(cancellation)) yield return new float[Math.Max(1, piece.Length) * 600];
    }

    private static async IAsyncEnumerable<string> TalkAsync(IReadOnlyList<ChatMessage> messages,
        EdgeLlm.Sampling.Constraints.OutputConstraint? constraint, [EnumeratorCancellation] CancellationToken cancellation)
    {
        await Task.Yield();
        cancellation.ThrowIfCancellationRequested();
        string words = messages.Last(static message => message.Role == "user").Content;
        if (words.StartsWith("call", StringComparison.Ordinal))
        {
            yield return """<tool_call>{"name": "set_relay", "arguments": {"device": "fan", "on": true}}</tool_call>""";
            yield break;
        }
        foreach (string word in (string[])["Once ", "upon ", "a ", "time."]) yield return word;
    }
}
