using EdgeLlm.Assistant.Conversation;
using EdgeLlm.Assistant.Settings;
using EdgeLlm.Devices;
using EdgeLlm.Files;

namespace EdgeLlm.Assistant.Kiosk;

/// <summary>Lines of JSON that the assistant's socket sends; the page's service passes them on.</summary>
internal static class KioskJson
{
    public const string Done = "{\"done\":true}";

    /// <summary>Nothing was understood in the sound.</summary>
    public const string Unheard = "{\"heard\":\"\",\"answer\":\"\",\"asks\":false,\"cancelled\":false}";

    /// <summary>The first event: what there is, and its state.</summary>
    public static string Hello(AssistantHost host) => JsonText.Object(json =>
    {
        json.WriteString("type", "hello");
        json.WriteString("state", host.Loop.State.ToString().ToLowerInvariant());
        json.WriteBoolean("hears", host.Recognize is not null);
        json.WriteNumber("confirmSeconds", host.Settings.Times.Confirm.TotalSeconds);
        json.WriteArray("languages", host.Settings.Languages, json.WriteStringValue);
        json.WriteStartArray("devices");
        foreach (AssistantDevice device in host.Settings.Devices.Where(static device => device.IsOutput
            || device.Device.Kind == DeviceKind.Sensor))
        {
            json.WriteStartObject();
            json.WriteString("name", device.Device.Name);
            json.WriteString("kind", device.Device.Kind.ToString().ToLowerInvariant());
            (AssistantDevice Device, int Level) open = host.Devices.Levels.FirstOrDefault(one => one.Device == device);
            if (open.Device is not null) json.WriteNumber("level", open.Level);
            json.WriteEndObject();
        }
        json.WriteEndArray();
    });

    /// <summary>Something that happened.</summary>
    public static string Of(AssistantEvent happened) => JsonText.Object(json =>
    {
        json.WriteString("type", happened.Kind.ToString().ToLowerInvariant());
        json.WriteString(happened.Kind == AssistantEventKind.State ? "state" : happened.Kind == AssistantEventKind.Device ? "name"
            : "text", happened.Text);
        if (happened.Kind == AssistantEventKind.Device) json.WriteNumber("level", happened.Level);
    });

    /// <summary>A turn that has ended.</summary>
    /// <param name="asks">Whether the answer is a question that takes a yes.</param>
    public static string Turn(string heard, string? answer, bool isCancelled, bool asks) => JsonText.Object(json =>
    {
        json.WriteString("heard", heard);
        json.WriteString("answer", answer ?? "");
        json.WriteBoolean("asks", asks);
        json.WriteBoolean("cancelled", isCancelled);
    });

    public static string Error(string problem) => JsonText.Object(json => json.WriteString("error", problem));
}
