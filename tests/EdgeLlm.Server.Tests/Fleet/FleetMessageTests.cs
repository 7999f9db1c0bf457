using System.Reflection;
using System.Text;
using System.Text.Json;
using EdgeLlm.Generation;
using EdgeLlm.Generation.Prefixes;
using EdgeLlm.Generation.Scheduling;
using EdgeLlm.Models.Adapters;
using EdgeLlm.Sampling;
using EdgeLlm.Sampling.Constraints;
using EdgeLlm.Server.Engine;
using EdgeLlm.Server.Fleet;
using EdgeLlm.Server.Http;

namespace EdgeLlm.Server.Tests.Fleet;

public sealed class FleetMessageTests
{
    private static readonly string Id = new('a', 32), Model = new('b', 64);

    /// <summary>
    /// Options that a job has no field for are refused (<see cref="What_a_fleet_can_not_do_is_refused_by_name"/>): an answer without them
    /// would be another one.
    /// </summary>
    [Fact]
    public void A_job_has_all_that_an_answer_depends_on()
    {
        var sampling = new SamplingOptions
        {
            Temperature = 0.1f,
            TopK = 2,
            TopP = 0.3f,
            MinP = 0.04f,
            TypicalP = 0.5f,
            RepeatPenalty = 1.6f,
            RepeatLastN = 7,
            PresencePenalty = 0.8f,
            FrequencyPenalty = 0.9f,
            DryMultiplier = 1.1f,
            DryBase = 1.2f,
            DryAllowedLength = 3,
            DryPenaltyLastN = 14,
            DrySequenceBreakers = [[1, 2], [3]],
            LogitBias = new Dictionary<int, float> { [5] = float.NegativeInfinity, [6] = 1.5f },
            Seed = ulong.MaxValue,
        };
        var options = new GenerationOptions
        {
            Sampling = sampling,
            MaxTokens = 15,
            StopStrings = ["x", "ü\n"],
            StopTokens = [4],
            IgnoreEndOfText = true,
            StopsLoops = true,
            DryBreakers = ["q"],
            WhenContextIsFull = ContextPolicy.Error,
            Heal = true,
            Constraint = OutputConstraint.Regex("[a-z]+"),
            Scope = new PrefixScope("owner"),
            Instructions = 2,
            VisibleTokens = [7, 8],
        };
        var request = new AnswerRequest([1, 2, 3]) { Options = options, Client = "anna", Priority = AnswerPriority.Batch };
        byte[] json = JsonSerializer.SerializeToUtf8Bytes(FleetJob.Of(Id, Model, request), FleetJson.Default.FleetJob);
        AnswerRequest read = FleetJson.Read(json, FleetJson.Default.FleetJob).ToRequest(vocabulary: 100);
        Assert.Equal([1, 2, 3], read.Prompt);
        Assert.Equal(("fleet anna", AnswerPriority.Batch), (read.Client, read.Priority));
        Compare(sampling, read.Options.Sampling, new SamplingOptions());
        Compare(options, read.Options, new GenerationOptions(), nameof(GenerationOptions.Sampling),
            nameof(GenerationOptions.Constraint), "LateConstraint", // compared by themselves, and in FleetToolTests
            nameof(GenerationOptions.Speculates), "DraftTokens", // how it is computed, not what
            nameof(GenerationOptions.Shift), nameof(GenerationOptions.LogProbabilities)); // refused
        Assert.Equal(("regex", "[a-z]+"), read.Options.Constraint!.Source);

        static void Compare<T>(T given, T read, T usual, params string[] except)
        {
            foreach (PropertyInfo property in typeof(T).GetProperties(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic)
                .Where(property => property.Name != "EqualityContract" && !except.Contains(property.Name)))
            {
                string text = Text(property.GetValue(given));
                if (text == Text(property.GetValue(usual))) continue; // refused where it is set
                Assert.Equal((property.Name, text), (property.Name, Text(property.GetValue(read))));
            }
        }

        static string Text(object? value) =>
            value is System.Collections.IEnumerable and not string
                ? $"[{string.Join(',', ((System.Collections.IEnumerable)value).Cast<object>().Select(Text))}]"
                : value?.ToString() ?? "null";
    }

    [Fact]
    public void A_job_carries_control_vectors_by_content_and_a_worker_that_lacks_one_gives_it_back()
    {
        var vector = new ControlVector("test", [null, [1, 2, 3]]);
        var options = new GenerationOptions
        {
            Sampling = new SamplingOptions { Seed = 1 },
            ControlVectors = [new ControlVectorUse(vector, 0.5f, 1, 4)],
        };
        FleetJob read =
            FleetJson.Read(JsonSerializer.SerializeToUtf8Bytes(FleetJob.Of(Id, Model, new AnswerRequest([1]) { Options = options }),
                FleetJson.Default.FleetJob), FleetJson.Default.FleetJob);
        FleetChange change = Assert.Single(read.ControlVectors);
        Assert.Equal((0.5f, 1, 4), (change.Scale, change.FirstLayer, change.LastLayer));
        Assert.True(change.IsOf(vector.Identity));
        Assert.False(change.IsOf(new ControlVector("test", [null, [1, 2, 4]]).Identity));
        Assert.Null(read.WithChanges(read.ToRequest(vocabulary: 100).Options, new ModelAdapters())); // it is not here
        var without = FleetJob.Of(Id, Model, new AnswerRequest([1]) { Options = options with { ControlVectors = [] } });
        Assert.NotNull(without.WithChanges(without.ToRequest(vocabulary: 100).Options, new ModelAdapters()));
        foreach (FleetChange wrong in new[] { change with { Scale = 17 }, change with { Scale = float.NaN }, change with { FirstLayer = 5 },
            change with { Content = "a" } })
            Assert.Throws<FormatException>(() => (read with { ControlVectors = [wrong] }).ToRequest(vocabulary: 100));
    }

    [Fact]
    public void What_a_fleet_can_not_do_is_refused_by_name()
    {
        var request = new AnswerRequest([1]) { Options = new GenerationOptions { Sampling = new SamplingOptions { Seed = 1 } } };
        Assert.Contains("logprobs", Refusal(request with { Options = request.Options with { LogProbabilities = 100, MaxTokens = 2000 } }),
            StringComparison.Ordinal);
        Assert.Contains("does not pass on",
            Refusal(request with { Options = request.Options with { Scope = new PrefixScope("", "adapter") } }), StringComparison.Ordinal);
        Assert.Contains("shift", Refusal(request with { Options = request.Options with { Shift = true } }), StringComparison.Ordinal);

        static string Refusal(AnswerRequest request) => Assert.Throws<ApiException>(() => FleetJob.Of(Id, Model, request)).Message;
    }

    /// <summary>Messages are as hostile as requests: each mutant is a job or refused in words, nothing else.</summary>
    [Fact]
    public void Damaged_messages_are_refused_and_nothing_falls_over()
    {
        var options = new GenerationOptions
        {
            Sampling = new SamplingOptions { Seed = 7, LogitBias = new Dictionary<int, float> { [5] = 1 } },
            StopStrings = ["x"],
            Constraint = OutputConstraint.Gbnf("root ::= \"a\""),
        };
        byte[] whole = JsonSerializer.SerializeToUtf8Bytes(
            FleetJob.Of(Id, Model, new AnswerRequest([1, 2]) { Options = options }) with { ReplyTo = "edgellm.replies.g" },
            FleetJson.Default.FleetJob);
        byte[][] pieces =
            [.. new[] { "null", "-1", "1e999", "[]", "{}", "\"\"", "\"\\ud83d\"", "[null]", "99999999999999999999", "true",
                "[[null]]" }.Select(Encoding.ASCII.GetBytes)];
        var random = new Random(1);
        int refused = 0;
        for (int i = 0; i < 20_000; i++)
        {
            byte[] mutant = [.. whole];
            int at = random.Next(mutant.Length);
            if (i % 3 == 0) mutant[at] = (byte)random.Next(256);
            else if (i % 3 == 1) mutant = mutant[..at];
            else
            {
                int colon = Array.IndexOf(mutant, (byte)':', at);
                int end = colon < 0 ? -1 : Array.IndexOf(mutant, (byte)',', colon);
                if (end > 0) mutant = [.. mutant[..(colon + 1)], .. pieces[random.Next(pieces.Length)], .. mutant[end..]];
            }
            try
            {
                FleetJson.Read(mutant, FleetJson.Default.FleetJob).ToRequest(100);
            }
            catch (FormatException)
            {
                refused++;
            }
        }
        Assert.InRange(refused, 5000, 20_000);
        foreach (string reply in new[] { "", "{", "null", "[]", "{\"id\":7}",
            "{\"id\":\"a\",\"index\":1e9,\"text\":3}", "{\"unknown\":1}" })
            Assert.Throws<FormatException>(() => FleetJson.Read(Encoding.UTF8.GetBytes(reply), FleetJson.Default.FleetReply));
    }

    [Theory]
    [InlineData("amqp://pi.local", "pi.local:5672")]
    [InlineData("amqps://anna@pi.local/fleet", "pi.local:5671")]
    [InlineData("amqp://[::1]:99", "[::1]:99")]
    public void A_brokers_address_is_read(string text, string place) =>
        Assert.Equal(place, BrokerAddress.Parse(text, mayHavePassword: false).Place);

    [Theory]
    [InlineData("pi.local", "a broker's address")]
    [InlineData("http://pi.local", "a broker's address")]
    [InlineData("amqp://", "a broker's address")]
    [InlineData("amqp://anna:geheim@pi.local", "an address without a password")]
    public void What_is_no_address_or_has_a_password_is_refused_without_showing_it(string text, string problem)
    {
        Assert.Contains(problem, Assert.Throws<FormatException>(() => BrokerAddress.Parse(text, mayHavePassword: false)).Message,
            StringComparison.Ordinal);
        string message = Assert.Throws<ArgumentException>(() =>
            Server.Settings.SettingsReader.Read(null, _ => null, new Dictionary<string, string> { ["broker"] = text })).Message;
        Assert.DoesNotContain("geheim", message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_with_a_password_is_its_owners_alone()
    {
        string file = Path.GetTempFileName();
        try
        {
            File.WriteAllText(file, "amqp://anna:geheim@pi.local\n");
            if (!OperatingSystem.IsWindows())
            {
                File.SetUnixFileMode(file, UnixFileMode.UserRead | UnixFileMode.GroupRead);
                Assert.Contains("may be read by others", Assert.ThrowsAny<IOException>(() => BrokerAddress.Read(file)).Message,
                    StringComparison.Ordinal);
                File.SetUnixFileMode(file, UnixFileMode.UserRead | UnixFileMode.UserWrite);
            }
            Assert.Equal("pi.local:5672", BrokerAddress.Read(file).Place);
            Assert.Contains("takes a broker",
                Assert.Throws<ArgumentException>(
                    () => Server.Settings.SettingsReader.Read(null, _ => null,
                        new Dictionary<string, string> { ["fleet"] = "worker" })).Message, StringComparison.Ordinal);
        }
        finally
        {
            File.Delete(file);
        }
    }
}
