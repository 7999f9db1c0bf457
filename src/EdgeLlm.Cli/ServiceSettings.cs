using EdgeLlm.Server.Settings;
using EdgeLlm.Speech.Synthesis;

namespace EdgeLlm.Cli;

/// <summary>Settings of the service that other commands need, too.</summary>
internal static class ServiceSettings
{
    /// <summary>Reads some settings from the usual file and the environment; the others are not looked at.</summary>
    /// <exception cref="IOException">The file can't be read.</exception>
    /// <exception cref="InvalidDataException">A value is wrong.</exception>
    public static ServerOptions Read(params string[] names) =>
        SettingsReader.Read(null, Environment.GetEnvironmentVariable, new Dictionary<string, string>(), names);

    /// <summary>Programs that speak, where a voice's name asks for one.</summary>
    public static IReadOnlyDictionary<string, IReadOnlyList<string>> VoiceCommandsFor(string? voice) =>
        voice is not null && voice.StartsWith(CommandVoice.Prefix, StringComparison.Ordinal) ? Read("voiceCommands").VoiceCommands
            : new Dictionary<string, IReadOnlyList<string>>();
}
