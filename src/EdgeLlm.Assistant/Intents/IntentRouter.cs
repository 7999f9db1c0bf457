using System.Globalization;
using System.Text.Json;
using EdgeLlm.Assistant.Settings;
using EdgeLlm.Devices;
using EdgeLlm.Devices.Sensors;
using EdgeLlm.Files;

namespace EdgeLlm.Assistant.Intents;

/// <summary>
/// Sentences that need no model: every word of one has to be known, in one language, and the words together make one request. A negation, a
/// condition, a past tense, another device's name are words that no rule has, so nothing moves by them. Not a guess among it: what is not
/// certain is the model's. Safe for use by several threads.
/// </summary>
internal sealed class IntentRouter
{
    private const int MostCharacters = 200, MostWords = 24, ShortestFuzzy = 6;
    private const string Quotes = "\"“”„«»‹›`";

    private static readonly SentenceRule OutputRule = new SentenceRule(Sign.Filler, Sign.Polite, Sign.Device)
        .With(Sign.Turn, 0, 1).With(Sign.On, 0, 1).With(Sign.Off, 0, 1).With(Sign.Set, 0, 1).With(Sign.To, 0, 2).With(Sign.Percent, 0, 1)
        .With(Sign.Number, 0, 1).With(Sign.Half, 0, 1).With(Sign.Full, 0, 1)
        .With(Sign.Light, 0, 1).With(Sign.Lights, 0, 1).With(Sign.All, 0, 1).With(Sign.And, 0, 3).With(Sign.Request, 0, 1);

    private static readonly Dictionary<Sign, string> Quantities = new()
    {
        [Sign.Temperature] = "temperature",
        [Sign.Warm] = "temperature",
        [Sign.Humidity] = "humidity",
        [Sign.Pressure] = "pressure",
        [Sign.Brightness] = "light",
        [Sign.Co2] = "co2",
        [Sign.Distance] = "distance",
        [Sign.Motion] = "motion",
        [Sign.Contact] = "contact",
    };

    private static readonly SentenceRule YesRule = new SentenceRule(Sign.Polite).With(Sign.Yes, 1, 3),
        NoRule = new SentenceRule(Sign.Polite).With(Sign.No, 1, 3),
        QuitRule = new SentenceRule(Sign.Polite).With(Sign.Quit, 1, 2), TimeRule = Question().With(Sign.Time, 1, 1),
        DateRule = Question().With(Sign.Date, 1, 1),
        WeatherRule = Question().With(Sign.Weather, 1, 1), DevicesRule = Question().With(Sign.Devices, 1, 1),
        StateRule = Question().With(Sign.Is, 1, 1).With(Sign.Device, 0, 1).With(Sign.Light, 0, 1).With(Sign.On, 0, 1).With(Sign.Off, 0, 1),
        LeftRule = Question().With(Sign.Left, 1, 2).With(Sign.Timer, 0, 1).With(Sign.For, 0, 1),
        CancelRule = new SentenceRule(Sign.Filler, Sign.Polite).With(Sign.Cancel, 1, 2).With(Sign.Timer, 1, 1).With(Sign.All, 0,
            1).With(Sign.Request, 0, 1),
        TimerRule = new SentenceRule(Sign.Filler, Sign.Polite, Sign.For, Sign.And).With(Sign.Begin, 0, 2).With(Sign.Timer, 1, 1)
            .With(Sign.Number, 1, 3).With(Sign.Second, 0, 1).With(Sign.Minute, 0, 1).With(Sign.Hour, 0, 1).With(Sign.Request, 0, 1);

    private readonly IReadOnlyList<AssistantDevice> _devices;
    private readonly List<(Vocabulary Words, PhraseTable Devices)> _languages = [];
    private readonly List<(string[][] Phrases, PhraseSettings Settings)> _own = [];

    /// <summary>A router for the languages, devices and phrases of an assistant.</summary>
    public IntentRouter(AssistantSettings settings)
    {
        _devices = settings.Devices;
        foreach (string language in settings.Languages)
        {
            var table = new PhraseTable();
            for (int i = 0; i < _devices.Count; i++)
            {
                if (!_devices[i].IsOutput && _devices[i].Device.Kind != DeviceKind.Sensor) continue;
                foreach (string name in _devices[i].Names) AddName(table, TextTokens.Of(name), i, language);
            }
            _languages.Add((Vocabulary.Find(language)!, table));
        }
        foreach (PhraseSettings own in settings.Phrases) _own.Add(([.. own.Phrases.Select(TextTokens.Of)], own));
    }

    /// <summary>Intent of a sentence; of kind <see cref="RouteKind.None"/> where it is not certain.</summary>
    public Route Find(string text)
    {
        var none = new Route(RouteKind.None, _languages[0].Words, []);
        if (text.Length is 0 or > MostCharacters || text.AsSpan().ContainsAny(Quotes)) return none;
        string[] words = TextTokens.Of(text);
        if (words.Length is 0 or > MostWords) return none;
        foreach ((string[][] phrases, PhraseSettings own) in _own)
        {
            if (phrases.Any(phrase => phrase.AsSpan().SequenceEqual(words)))
                return none with
                {
                    Kind = own.Calls.Count > 0 ? RouteKind.Calls : RouteKind.Answer,
                    Calls = [.. own.Calls.Select(static call => new ToolCall(call.Tool, call.Arguments))],
                    Answer = own.Answer,
                };
        }
        foreach ((Vocabulary vocabulary, PhraseTable devices) in _languages)
        {
            if (new Sentence(this, vocabulary, devices, words, text.Contains('?')).Read() is { } route) return route;
        }
        return none;
    }

    /// <summary>
    /// Outputs that a sentence names, in any language: what a person's own words cover when a model wants to move something.
    /// </summary>
    public IReadOnlySet<string> OutputsNamedIn(string text)
    {
        var named = new HashSet<string>();
        string[] words = TextTokens.Of(text);
        List<AssistantDevice> lights = [.. _devices.Where(static device => device.Device.Kind is DeviceKind.Light or DeviceKind.Strip)];
        for (int position = 0; position < words.Length; position++)
        {
            foreach ((Vocabulary vocabulary, PhraseTable devices) in _languages)
            {
                foreach ((_, _, int device) in devices.At(words, position))
                {
                    if (_devices[device].IsOutput) named.Add(_devices[device].Device.Name);
                }
                if (lights.Count == 1 && vocabulary.Phrases.At(words, position)
                    .Any(static phrase => phrase.Sign is Sign.Light or Sign.Lights))
                    named.Add(lights[0].Device.Name);
            }
        }
        return named;
    }

    /// <summary>A sentence that asks for something to be read: words of questions are free.</summary>
    private static SentenceRule Question() => new(Sign.Ask, Sign.It, Sign.Filler, Sign.Polite, Sign.In, Sign.Request);

    private static void AddName(PhraseTable table, string[] words, int device, string language)
    {
        table.Add(words, Sign.Device, device);
        if (words.Length == 0 || language == "de") return;
        if (!words[^1].EndsWith('s')) table.Add([.. words[..^1], words[^1] + "s"], Sign.Device, device);
        if (language == "en" && words.Length > 1)
        {
            table.Add([words[^1], "in", "the", .. words[..^1]], Sign.Device, device);
            table.Add([words[^1], "of", "the", .. words[..^1]], Sign.Device, device);
        }
    }

    /// <summary>One sentence in one language.</summary>
    private sealed class Sentence(IntentRouter router, Vocabulary vocabulary, PhraseTable devices, string[] words, bool isQuestion)
    {
        public Route? Read()
        {
            if (Match(QuitRule) is not null && Match(NoRule) is null && Match(YesRule) is null) return Of(RouteKind.Quit);
            if (Match(YesRule) is not null) return Of(RouteKind.Yes);
            if (Match(NoRule) is not null) return Of(RouteKind.No);
            return Reading() ?? Timer() ?? Output();
        }

        private Route? Reading()
        {
            if (Match(TimeRule) is not null) return Call("get_time", static json => json.WriteString("what", "time"));
            if (Match(DateRule) is not null) return Call("get_time", static json => json.WriteString("what", "date"));
            if (Match(WeatherRule) is not null) return Call("get_weather", null);
            if (Match(DevicesRule) is not null) return Call("list_devices", null);
            if (Match(LeftRule) is not null) return Call("get_timers", null);
            if (Match(StateRule, static parts => parts.Exists(static part => part.Sign is Sign.Device or Sign.Light)) is { } state
                && StateOf(state) is { } device)
                return Call("get_state", json => json.WriteString("device", device));
            foreach ((Sign sign, string quantity) in Quantities)
            {
                SentenceRule rule = Question().With(sign, 1, 1).With(Sign.Device, 0, 1).With(Sign.Is, 0, 1);
                bool isAsked(List<Part> parts) =>
                    isAskedSign(sign) || parts.Exists(static part => part.Sign is Sign.Ask or Sign.Device or Sign.Is);
                if (Match(rule, isAsked) is not { } found || SensorOf(found, quantity) is not { } sensor) continue;
                return Call("read_sensor", json =>
                {
                    json.WriteString("sensor", sensor);
                    json.WriteString("quantity", quantity);
                });
            }
            return null;

            static bool isAskedSign(Sign sign) => sign is Sign.Warm or Sign.Temperature or Sign.Humidity;
        }

        private Route? Timer()
        {
            if (Match(CancelRule) is not null) return Call("cancel_timer", null);
            if (Match(TimerRule, static parts => Seconds(parts) > 0) is not { } timer) return null;
            double seconds = Seconds(timer);
            return Call("set_timer", json => json.WriteNumber("seconds", (int)Math.Min(seconds, int.MaxValue)));
        }

        /// <summary>Numbers each before a unit; 0 where they are not.</summary>
        private static double Seconds(List<Part> parts)
        {
            double seconds = 0;
            double? number = null;
            foreach (Part part in parts)
            {
                int unit = part.Sign switch { Sign.Second => 1, Sign.Minute => 60, Sign.Hour => 3600, _ => 0 };
                if (part.Sign == Sign.Number) number = part.Value;
                if (unit == 0) continue;
                if (number is not { } count) return 0;
                seconds += count * unit;
                number = null;
            }
            return number is null || number == 1 ? Math.Round(seconds) : 0; // "a timer" is a 1, too
        }

        private Route? Output()
        {
            if (Match(OutputRule, IsRequest) is not { } parts) return null;
            if (isQuestion && !parts.Exists(static part => part.Sign == Sign.Request)) return null;
            var calls = new List<ToolCall>();
            Part? direction = parts.Find(static part => part.Sign is Sign.On or Sign.Off or Sign.Number or Sign.Half or Sign.Full);
            int level = direction!.Value.Sign switch
            {
                Sign.Off => 0,
                Sign.Half => 50,
                Sign.Number => (int)Math.Round(direction.Value.Value),
                _ => 100
            };
            if (level > 100) return null;
            foreach (AssistantDevice device in Targets(parts))
            {
                bool isExact = direction.Value.Sign is Sign.Number or Sign.Half;
                if (device.Device.Kind == DeviceKind.Relay)
                {
                    if (isExact) return null;
                    calls.Add(CallOf("set_relay", json =>
                    {
                        json.WriteString("device", device.Device.Name);
                        json.WriteBoolean("on", level > 0);
                    }));
                    continue;
                }
                // "On" is as bright as the device may be.
                int wanted = isExact || level == 0 ? level : device.Limits.MostLevel;
                calls.Add(CallOf("set_light", json =>
                {
                    json.WriteString("device", device.Device.Name);
                    json.WriteNumber("level", wanted);
                }));
            }
            return calls.Count == 0 ? null : Of(RouteKind.Calls) with { Calls = calls };
        }

        /// <summary>
        /// One direction, one target at least, and a verb unless the target is named and the direction is a word for it ("kitchen light
        /// on").
        /// </summary>
        private static bool IsRequest(List<Part> parts)
        {
            int directions = parts.Count(static part => part.Sign is Sign.On or Sign.Off or Sign.Number or Sign.Half or Sign.Full);
            bool hasTarget = parts.Exists(static part => part.Sign is Sign.Device or Sign.Light or Sign.Lights or Sign.All);
            bool isLevel = parts.Exists(static part => part.Sign is Sign.Number or Sign.Half or Sign.Full);
            bool hasTo = parts.Exists(static part => part.Sign is Sign.To or Sign.Percent);
            bool mixes = parts.Exists(static part => part.Sign == Sign.Turn) && parts.Exists(static part => part.Sign == Sign.Set);
            return directions == 1 && hasTarget && (!isLevel || hasTo)
                && (isLevel || !parts.Exists(static part => part.Sign is Sign.To or Sign.Percent or Sign.Set)) && !mixes;
        }

        private IEnumerable<AssistantDevice> Targets(List<Part> parts)
        {
            IReadOnlyList<AssistantDevice> all = router._devices;
            List<AssistantDevice> named = [.. parts.Where(static part => part.Sign == Sign.Device).Select(part => all[(int)part.Value])];
            if (named.Exists(static device => !device.IsOutput)) return [];
            bool isAll = parts.Exists(static part => part.Sign == Sign.All),
                isPlural = parts.Exists(static part => part.Sign == Sign.Lights),
                isOne = parts.Exists(static part => part.Sign == Sign.Light);
            if (named.Count > 0) return isAll || isPlural || isOne ? [] : named.Distinct();
            List<AssistantDevice> lights = [.. all.Where(static device => device.Device.Kind is DeviceKind.Light or DeviceKind.Strip)];
            if (isPlural || isOne) return isPlural || isAll || lights.Count == 1 ? lights : [];
            return parts.Exists(static part => part.Sign == Sign.Off) ? all.Where(static device => device.IsOutput)
                : []; // everything can only go off
        }

        private string? StateOf(List<Part> parts)
        {
            IReadOnlyList<AssistantDevice> all = router._devices;
            int at = parts.FindIndex(static part => part.Sign == Sign.Device);
            if (at >= 0) return all[(int)parts[at].Value] is { IsOutput: true } device ? device.Device.Name : null;
            List<AssistantDevice> lights = [.. all.Where(static one => one.Device.Kind is DeviceKind.Light or DeviceKind.Strip)];
            return lights.Count == 1 ? lights[0].Device.Name : null;
        }

        /// <summary>The sensor that is named, else the first that measures this.</summary>
        private string? SensorOf(List<Part> parts, string quantity)
        {
            IReadOnlyList<AssistantDevice> all = router._devices;
            IEnumerable<AssistantDevice> sensors = all.Where(device => device.Device.Kind == DeviceKind.Sensor
                && SensorCatalog.Find(device.Device.Model)!.Quantities.Contains(quantity));
            int at = parts.FindIndex(static part => part.Sign == Sign.Device);
            if (at < 0) return sensors.OrderBy(static device => device.Device.Model == "cpu").FirstOrDefault()?.Device.Name;
            AssistantDevice named = all[(int)parts[at].Value];
            return sensors.Contains(named) ? named.Device.Name : null;
        }

        private List<Part>? Match(SentenceRule rule, Func<List<Part>, bool>? holds = null) => rule.Match(words.Length, PhrasesAt, holds);

        private IEnumerable<(int, Sign, double)> PhrasesAt(int position)
        {
            foreach ((int length, Sign sign, int value) in vocabulary.Phrases.At(words, position)) yield return (length, sign, value);
            foreach ((int length, Sign sign, int value) in devices.At(words, position)) yield return (length, sign, value);
            if (double.TryParse(words[position], NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double number)
                && number < 1e6)
                yield return (1, Sign.Number, number);
            foreach ((int, Sign, double) near in NearNames(position)) yield return near;
        }

        /// <summary>Names with one letter wrong in a long word that is not another word: as a recognizer may hear them.</summary>
        private IEnumerable<(int, Sign, double)> NearNames(int position)
        {
            string word = words[position];
            if (word.Length < ShortestFuzzy || vocabulary.Phrases.Knows(word) || devices.Knows(word)) yield break;
            int found = -1, length = 0;
            for (int i = 0; i < router._devices.Count; i++)
            {
                if (!router._devices[i].IsOutput && router._devices[i].Device.Kind != DeviceKind.Sensor) continue;
                foreach (string name in router._devices[i].Names)
                {
                    string[] parts = TextTokens.Of(name);
                    if (position + parts.Length > words.Length || parts[0].Length < ShortestFuzzy || parts[0][0] != word[0]
                        || TextTokens.Distance(parts[0], word) > 1)
                        continue;
                    if (!words.AsSpan(position + 1, parts.Length - 1).SequenceEqual(parts.AsSpan(1))) continue;
                    if (found >= 0 && found != i) yield break; // two devices are equally near
                    (found, length) = (i, parts.Length);
                }
            }
            if (found >= 0) yield return (length, Sign.Device, found);
        }

        private Route Of(RouteKind kind) => new(kind, vocabulary, []);

        private Route Call(string tool, Action<Utf8JsonWriter>? arguments) =>
            Of(RouteKind.Calls) with { Calls = [CallOf(tool, arguments)] };

        private static ToolCall CallOf(string tool, Action<Utf8JsonWriter>? arguments) => new(tool, JsonText.Object(arguments));
    }
}
