using System.Text.Json;
using System.Text.Json.Nodes;
using EdgeLlm.Kernels;
using EdgeLlm.Models;
using EdgeLlm.Quantization.Import;

namespace EdgeLlm.Tests.Models;

/// <summary>
/// Single changes of a config.json: what the reference computes with them, ours computes, too, or refuses by the field's name; what it
/// refuses, ours refuses (`golden/logits/README.md`, flips).
/// </summary>
public sealed class GoldenFlipsTests : IDisposable
{
    private readonly TestFolder _folder = new();
    private readonly List<string> _faults = [];
    private int _rows, _agreed, _refused;

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_changed_field_changes_what_the_reference_changes_or_is_refused_by_name() => Check(GoldenLogitsTests.Decoders);

    /// <summary>Of encoders the row is the last token's hidden state, and a classifier's numbers.</summary>
    [Fact]
    public void A_changed_field_of_an_encoder_changes_what_the_reference_changes_or_is_refused_by_name() =>
        Check(GoldenEncoderTests.Encoders.Select(name => name.Data));

    private void Check(IEnumerable<string> families)
    {
        string golden = SharedFolder.Require("golden", "logits");
        using JsonDocument flips = JsonDocument.Parse(File.ReadAllText(Path.Combine(golden, "flips.json")));
        Dictionary<string, (int[] Shape, float[] Values)> rows = Safetensors.Read(Path.Combine(golden, "flips.safetensors"));
        foreach (string family in families)
        {
            (int rowsBefore, int agreedBefore, int refusedBefore) = (_rows, _agreed, _refused);
            Assert.True(flips.RootElement.TryGetProperty(family, out JsonElement all),
                $"{golden}/flips.json has no {family}: it takes changed fields of its config.json, with what the reference computes then");
            (int[] shape, float[] values) = rows[family];
            var checkpoint = new Checkpoint(golden, family, _folder);
            foreach (JsonElement flip in all.GetProperty("flips").EnumerateArray())
            {
                if (flip.TryGetProperty("row", out JsonElement row))
                    CheckRow(checkpoint, flip, values.AsSpan(row.GetInt32() * shape[1], shape[1]));
                else CheckError(checkpoint, flip);
            }
            foreach (JsonElement set in all.GetProperty("no_effect").EnumerateArray())
                CheckSame(checkpoint, set, checkpoint.Unchanged, 2e-4);
            TestContext.Current.TestOutputHelper?.WriteLine(
                $"{family}: {_rows - rowsBefore} rows, {_agreed - agreedBefore} computed and agree, {_refused - refusedBefore} refused "
                    + "by name");
        }
        TestContext.Current.TestOutputHelper?.WriteLine(
            $"all: {_rows} rows, {_agreed} computed and agree, {_refused} refused by name, {_faults.Count} faults");
        Assert.True(_faults.Count == 0, string.Join('\n', _faults));
        Assert.True(_agreed >= 0.85 * _rows, $"{_agreed} of {_rows} are computed");
    }

    private void CheckRow(Checkpoint checkpoint, JsonElement flip, ReadOnlySpan<float> wanted)
    {
        _rows++;
        if (CheckSame(checkpoint, flip.GetProperty("set"), wanted, Math.Max(2e-4, 20 * flip.GetProperty("f32_error").GetDouble())))
            _agreed++;
        else _refused++;
    }

    /// <summary>Whether it is computed; if not, it has to be refused by the field's name, or a tensor's.</summary>
    private bool CheckSame(Checkpoint checkpoint, JsonElement set, ReadOnlySpan<float> wanted, double bound)
    {
        (float[]? logits, string? message) = checkpoint.Run(set);
        if (logits is null)
        {
            string field = set.EnumerateObject().First().Name.Split('.')[^1];
            if (!message!.Contains(field, StringComparison.Ordinal) && !message.Contains("tensor ", StringComparison.Ordinal))
                Fault(checkpoint, set, $"is refused without its name: {message}");
            return false;
        }
        double worst = 0;
        for (int i = 0; i < wanted.Length; i++) worst = Math.Max(worst, Math.Abs(wanted[i] - (double)logits[i]));
        if (!(worst <= bound)) Fault(checkpoint, set, $"a logit is off by {worst}, the bound is {bound}");
        return true;
    }

    private void CheckError(Checkpoint checkpoint, JsonElement flip)
    {
        string error = flip.GetProperty("error").GetString()!;
        bool mustRefuse = error.StartsWith("shapes", StringComparison.Ordinal) || error.Contains("no_such", StringComparison.Ordinal)
            || error.Contains("at random", StringComparison.Ordinal) && !error.EndsWith(": lm_head.weight", StringComparison.Ordinal);
        (float[]? logits, _) = checkpoint.Run(flip.GetProperty("set"));
        if (logits is not null && mustRefuse) Fault(checkpoint, flip.GetProperty("set"), $"is computed, and the reference says: {error}");
    }

    private void Fault(Checkpoint checkpoint, JsonElement set, string what) =>
        _faults.Add($"{checkpoint.Family} {set.GetRawText()}: {what}");

    /// <summary>A folder, and copies of it with a changed config.json.</summary>
    private sealed class Checkpoint
    {
        private readonly string _folder;
        private readonly string _config;
        private readonly string _imported;
        private readonly EncoderText _text;
        private readonly bool _isEncoder;

        public Checkpoint(string golden, string family, TestFolder folder)
        {
            Family = family;
            _folder = folder.CopyOf(family);
            _config = File.ReadAllText(Path.Combine(_folder, "config.json"));
            _imported = folder.PathOf("flipped.gguf");
            using JsonDocument expected = JsonDocument.Parse(File.ReadAllText(Path.Combine(golden, family, "expected.json")));
            JsonElement prompt = expected.RootElement.GetProperty("prompts")[3];
            int[] types = prompt.TryGetProperty("token_type_ids", out JsonElement given) ? Numbers(given) : [];
            _text = new EncoderText(Numbers(prompt.GetProperty("ids"))) { Types = [.. types.Select(type => (byte)type)] };
            Dictionary<string, (int[] Shape, float[] Values)> reference =
                Safetensors.Read(Path.Combine(golden, family, "expected.safetensors"));
            _isEncoder = reference.TryGetValue("hidden_3", out (int[] Shape, float[] Values) hidden);
            float[] logits = reference.TryGetValue("logits_3", out (int[] Shape, float[] Values) found) ? _isEncoder ? found.Values
                : found.Values[^found.Shape[1]..] : [];
            Unchanged = _isEncoder ? [.. hidden.Values[^hidden.Shape[1]..], .. logits] : logits;

            static int[] Numbers(JsonElement list) => [.. list.EnumerateArray().Select(id => id.GetInt32())];
        }

        public string Family { get; }

        /// <summary>The last row without a change.</summary>
        public float[] Unchanged { get; }

        /// <summary>The last row of logits of prompt 3, or the line that it is refused with.</summary>
        public (float[]? Logits, string? Message) Run(JsonElement set)
        {
            JsonNode config = JsonNode.Parse(_config)!;
            foreach (JsonProperty change in set.EnumerateObject()) Change(config, change);
            File.WriteAllText(Path.Combine(_folder, "config.json"), config.ToJsonString());
            try
            {
                File.Delete(_imported);
                using (var model = HuggingFaceModel.Open(_folder)) model.Save(_imported, _ => { }, CancellationToken.None);
                if (_isEncoder) return (Encode(), null);
                using LanguageModel loaded =
                    LanguageModel.Load(_imported,
                        new ModelOptions
                        {
                            CacheType = KeyValueType.F32,
                            ContextLength = 256,
                            Threads = 1,
                            FloatActivations = Family == "gpt-oss"
                        });
                using KvCache cache = loaded.CreateCache();
                return (loaded.Forward(_text.Ids, cache).ToArray(), null);
            }
            catch (ModelException exception)
            {
                Assert.DoesNotContain('\n', exception.Message);
                return (null, exception.Message);
            }
        }

        private float[] Encode()
        {
            float[] row = [];
            using TextEncoder encoder = TextEncoder.Load(_imported, new ModelOptions { ContextLength = 100, Threads = 1 });
            encoder.Encode([_text], (_, hidden, logits) => row = [.. hidden[^encoder.Info.EmbeddingLength..], .. logits]);
            return row;
        }

        private static void Change(JsonNode config, JsonProperty change)
        {
            string[] path = change.Name.Split('.');
            JsonObject parent = path[..^1].Aggregate(config, (node, name) => node[name] ??= new JsonObject()).AsObject();
            parent.Remove(path[^1]);
            bool isAbsent = change.Value.ValueKind == JsonValueKind.String && change.Value.GetString() == "absent";
            if (!isAbsent) parent[path[^1]] = JsonNode.Parse(change.Value.GetRawText());
        }
    }
}
