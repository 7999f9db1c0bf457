using System.Text;
using EdgeLlm.Files;

namespace EdgeLlm.Server.Systemd;

/// <summary>
/// A file in the state directory from start to stop: one that is there at a start tells that the last run had no end, and what its model's
/// file was then.
/// </summary>
internal sealed class RunMarker : IDisposable
{
    private const string Name = "running";

    private readonly string _path;

    private RunMarker(string path) => _path = path;

    /// <summary>
    /// Looks for the last run's marker and leaves one. A directory that can't be written costs only this: the service continues, and says
    /// so.
    /// </summary>
    public static RunMarker? Leave(string? directory, ServedModel model, ServerLog log)
    {
        if (directory is null) return null;
        string path = Path.Combine(directory, Name);
        try
        {
            Directory.CreateDirectory(directory);
            string line = $"{model.Size} bytes {model.Path}";
            if (File.Exists(path))
            {
                string before = File.ReadAllText(path, Encoding.UTF8).Trim();
                log.Warning("the last run had no end (killed, crashed, or the power went)"
                    + (before == line || before.Length == 0 ? "" : $"; its model was {before}, now it is {line}"));
            }
            AtomicFile.Write(path, file => file.Write(Encoding.UTF8.GetBytes(line + "\n")));
            return new RunMarker(path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            log.Warning(
                $"the state directory {directory} can't be written ({exception.Message}): the service runs, but a later start will not "
                    + "know how this run ended");
            return null;
        }
    }

    public void Dispose()
    {
        try
        {
            File.Delete(_path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // The next start says that this run had no end: untrue, and harmless.
        }
    }
}
