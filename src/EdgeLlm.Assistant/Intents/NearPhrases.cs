using EdgeLlm.Assistant.Settings;
using EdgeLlm.Assistant.Tools;
using EdgeLlm.Devices;
using EdgeLlm.Devices.Sensors;

namespace EdgeLlm.Assistant.Intents;

/// <summary>
/// The second tier of the router: sentences near a known one by a model of embeddings. It acts alone only where something is read. An
/// output is only proposed, as a question that takes a yes, and only if the person's own words name it and the direction, without a
/// negation, a question or a condition; everything else is the model's.
/// </summary>
internal sealed class NearPhrases
{
    /// <summary>Least cosine to a known sentence, and least distance to the best sentence that means something else.</summary>
    public const double LeastSimilarity = .80, LeastMargin = .02;

    private const int MostWords = 24;

    /// <summary>
    /// Words of negations, questions, conditions, reports and times, in any language: with one of them a sentence proposes nothing that
    /// moves.
    /// </summary>
    private static readonly HashSet<string> Hindrances =
    [
        .. ("not no never don't don doesn't didn't won't can't cannot without nor neither if when unless until after before while "
            + "because why who what which where how was were did had has been yesterday tomorrow later "
            + "said says told asked would should might could maybe perhaps whether "
            + "nicht nie niemals kein keine keinen ohne weder wenn falls sobald bevor nachdem bis ob warum wer was welche wo wie war "
            + "waren wurde hat hatte gestern morgen später sagte sagt vielleicht "
            + "ne n pas jamais aucun aucune sans ni si quand lorsque avant après jusqu pourquoi qui que quoi quel quelle où comment "
            + "était a avait hier demain tard dit peut-être "
            + "nunca jamás sin ni cuando antes después hasta qué quién cuál dónde cómo era estaba fue ha había ayer mañana tarde dijo "
            + "dice quizá quizás porque").Split(
                ' '),
    ];

    private readonly EmbedTexts _embed;
    private readonly IntentRouter _router;
    private readonly List<(string Text, Vocabulary Words, ToolCall Call, bool IsOutput, bool IsOn)> _known = [];
    private readonly Lazy<float[][]> _vectors;

    /// <summary>Known sentences for the devices and languages of config; their vectors are made at the first use.</summary>
    public NearPhrases(AssistantSettings settings, IntentRouter router, EmbedTexts embed)
    {
        (_embed, _router) = (embed, router);
        foreach (string language in settings.Languages) AddSentences(settings, Vocabulary.Find(language)!);
        _vectors = new Lazy<float[][]>(() =>
            [.. _known.Chunk(8).SelectMany(some => embed([.. some.Select(static one => one.Text)], CancellationToken.None))]);
    }

    /// <summary>
    /// Route of the phrase that a sentence is near to; null where it is near nothing, or moves something that its words do not name.
    /// </summary>
    public Route? Find(string text, CancellationToken cancellation)
    {
        string[] words = TextTokens.Of(text);
        if (words.Length is 0 or > MostWords || _known.Count == 0) return null;
        float[] vector = _embed([text], cancellation)[0];
        double[] near = [.. _vectors.Value.Select(known => Vectors.Dot(known, vector))];
        int best = Array.IndexOf(near, near.Max());
        double second = near.Where((_, i) => _known[i].Call != _known[best].Call).DefaultIfEmpty(0).Max();
        if (near[best] < LeastSimilarity || near[best] - second < LeastMargin) return null;
        (_, Vocabulary vocabulary, ToolCall call, bool isOutput, bool isOn) = _known[best];
        if (isOutput && !Covers(text, words, vocabulary, call, isOn)) return null;
        return new Route(RouteKind.Calls, vocabulary, [call]) { IsGuess = isOutput };
    }

    /// <summary>Whether the words themselves name this output alone and this direction, and nothing that turns their meaning.</summary>
    private bool Covers(string text, string[] words, Vocabulary vocabulary, ToolCall call, bool isOn)
    {
        if (text.AsSpan().ContainsAny("?\"“”„«»‹›`") || words.Any(Hindrances.Contains)) return false;
        IReadOnlySet<string> named = _router.OutputsNamedIn(text);
        if (named.Count != 1
            || !call.Arguments.Contains($"\"{System.Text.Json.JsonEncodedText.Encode(named.First())}\"", StringComparison.Ordinal))
            return false;
        bool hasOn = false, hasOff = false;
        for (int position = 0; position < words.Length; position++)
        {
            foreach ((_, Sign sign, _) in vocabulary.Phrases.At(words, position))
                (hasOn, hasOff) = (hasOn || sign == Sign.On, hasOff || sign == Sign.Off);
        }
        return hasOn != hasOff && hasOn == isOn;
    }

    private void AddSentences(AssistantSettings settings, Vocabulary words)
    {
        Add("near.time", "get_time", "{\"what\":\"time\"}");
        Add("near.date", "get_time", "{\"what\":\"date\"}");
        Add("near.timers", "get_timers", "{}");
        if (settings.WeatherFile is not null) Add("near.weather", "get_weather", "{}");
        foreach (AssistantDevice device in settings.Devices)
        {
            string name = System.Text.Json.JsonEncodedText.Encode(device.Device.Name).ToString();
            foreach (string quantity in device.Device.Kind == DeviceKind.Sensor ? SensorCatalog.Find(device.Device.Model)!.Quantities : [])
                Add("near.read", "read_sensor", $"{{\"sensor\":\"{name}\",\"quantity\":\"{quantity}\"}}",
                    words.Say(quantity), NameIn(device, words));
            if (!device.IsOutput) continue;
            Add("near.state", "get_state", $"{{\"device\":\"{name}\"}}", NameIn(device, words));
            foreach (bool isOn in (bool[])[true, false])
            {
                ToolCall call = device.Device.Kind == DeviceKind.Relay
                    ? new ToolCall("set_relay", $"{{\"device\":\"{name}\",\"on\":{(isOn ? "true" : "false")}}}")
                    : new ToolCall("set_light", $"{{\"device\":\"{name}\",\"level\":{(isOn ? device.Limits.MostLevel : 0)}}}");
                _known.Add((words.Say(isOn ? "near.on" : "near.off", NameIn(device, words)), words, call, true, isOn));
            }
        }

        void Add(string sentence, string tool, string arguments, params ReadOnlySpan<object> values) =>
            _known.Add((words.Say(sentence, values), words, new ToolCall(tool, arguments), false, false));
    }

    /// <summary>
    /// The device's name in a language: config's first in the first language, then its other names in their order, as the examples have
    /// them.
    /// </summary>
    private static string NameIn(AssistantDevice device, Vocabulary words)
    {
        string[] names = [.. device.Names];
        int at = Vocabulary.All.ToList().IndexOf(words);
        return names[Math.Min(Math.Max(at, 0), names.Length - 1)];
    }
}
