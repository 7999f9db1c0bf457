using System.Diagnostics;
using System.Net.Sockets;

namespace EdgeLlm.Tests;

/// <summary>Makes what a path may lead to in the place of a regular file. A test that can't have one here is skipped, saying so.</summary>
internal static class SpecialFile
{
    /// <summary>The kinds that <see cref="Make"/> knows and that no program may write to in the place of a file.</summary>
    public static IEnumerable<string> Kinds =>
        ["device", "pipe", "socket", "folder", "link to a device", "link to a folder", "link that leads nowhere", "links in a circle"];

    /// <summary>Puts one of <see cref="Kinds"/> at a path. A device is a copy of /dev/null, so that no test touches the system's.</summary>
    public static void Make(string kind, string path)
    {
        switch (kind)
        {
            case "device": Device(path); break;
            case "pipe": Run("mkfifo", path); break;
            case "socket": Socket(path); break;
            case "folder": Directory.CreateDirectory(path); break;
            case "link to a device":
                Device(path + ".device");
                File.CreateSymbolicLink(path, path + ".device");
                break;
            case "link to a folder":
                Directory.CreateDirectory(path + ".folder");
                File.CreateSymbolicLink(path, path + ".folder");
                break;
            case "link that leads nowhere": File.CreateSymbolicLink(path, path + ".nowhere"); break;
            case "links in a circle":
                File.CreateSymbolicLink(path, path + ".back");
                File.CreateSymbolicLink(path + ".back", path);
                break;
            default: throw new ArgumentOutOfRangeException(nameof(kind));
        }
    }

    /// <summary>A second name of the file itself.</summary>
    public static void HardLink(string existing, string name) => Run("ln", existing, name);

    /// <summary>The first letter of `ls -l`, and the link's target: `c`, `p`, `s`, `d`, `l -> TARGET`, `-`.</summary>
    public static string Describe(string path)
    {
        string line = Run("ls", "-ld", path);
        int arrow = line.IndexOf(" -> ", StringComparison.Ordinal);
        return line[0] + (arrow < 0 ? "" : line[arrow..].TrimEnd());
    }

    /// <summary>The rights of a file in octal digits, such as 644.</summary>
    public static string RightsOf(string path) => Run("stat", "-c", "%a", path).Trim();

    /// <summary>Makes a folder that nothing can be put into, for root too, until the result is disposed.</summary>
    public static IDisposable ReadOnlyFolder(string folder)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "needs Linux's rights of folders");
        if (!Environment.IsPrivilegedProcess)
        {
            Run("chmod", "500", folder);
            return new Undo(() => Run("chmod", "700", folder));
        }
        Assert.SkipUnless(TryRun("chattr", "+i", folder) is not null,
            "this file system has no immutable folders, and nothing else keeps root out");
        return new Undo(() => Run("chattr", "-i", folder));
    }

    /// <summary>Runs a program of the system to its end and gives what it wrote, or skips the test where that fails.</summary>
    public static string Run(string program, params string[] arguments)
    {
        string? output = TryRun(program, arguments);
        Assert.SkipWhen(output is null, $"needs `{program} {string.Join(' ', arguments)}`, which does not work here");
        return output!;
    }

    private static void Device(string path)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux() && Environment.IsPrivilegedProcess, "only root makes devices");
        Run("mknod", path, "c", "1", "3");
    }

    private static void Socket(string path)
    {
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        // Closing one removes its name: it is given another first.
        socket.Bind(new UnixDomainSocketEndPoint(path + "-"));
        File.Move(path + "-", path);
    }

    private static string? TryRun(string program, params string[] arguments)
    {
        try
        {
            using Process process =
                Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
            string output = process.StandardOutput.ReadToEnd();
            process.WaitForExit();
            return process.ExitCode == 0 ? output : null;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return null;
        }
    }

    private sealed class Undo(Action action) : IDisposable
    {
        public void Dispose() => action();
    }
}
