// An agent: the model calls functions of this program.   dotnet run --project samples/AgentWithTools -c Release [-- MODEL ["QUESTION"]]
// The form of a call is certain with every model; whether it is the right one depends on the model: the default one is small,
// `edgellm pull` lists better ones.
using EdgeLlm.Extensions.AI;
using EdgeLlm.Models;
using Microsoft.Extensions.AI;

string question = args.Length > 1 ? args[1] : "Turn on the kitchen light.";
LanguageModel model = args is [var name, ..] ? ModelStore.OfThisMachine().Load(name) : LanguageModel.LoadDefault();
using IChatClient client = new EdgeLlmChatClient(model, ownsModel: true).AsBuilder().UseFunctionInvocation().Build();

var lights = new Dictionary<string, bool> { ["kitchen"] = false, ["hall"] = false };
AIFunction setLight = AIFunctionFactory.Create(
    (Room room, bool on) =>
    {
        lights[room.ToString().ToLowerInvariant()] = on;
        Console.WriteLine($"  set_light(room: {room}, on: {on})");
        return on ? $"The light in the {room} is on now." : $"The light in the {room} is off now.";
    },
    "set_light", "Turns the light of a room on or off.");
AIFunction getTime = AIFunctionFactory.Create(
    () =>
    {
        Console.WriteLine("  get_time()");
        return $"{DateTime.Now:HH:mm}";
    },
    "get_time", "Tells the time.");

// With RequireAny the first turn is a call; without it the model decides, as larger ones can.
var options = new ChatOptions { Tools = [setLight, getTime], ToolMode = ChatToolMode.RequireAny, Temperature = 0, MaxOutputTokens = 200 };
ChatResponse response = await client.GetResponseAsync(question, options);
Console.WriteLine(response.Text);
Console.WriteLine(string.Join(", ", lights.Select(light => $"{light.Key} {(light.Value ? "on" : "off")}")));

[System.Text.Json.Serialization.JsonConverter(typeof(System.Text.Json.Serialization.JsonStringEnumConverter<Room>))]
internal enum Room { Kitchen, Hall }
