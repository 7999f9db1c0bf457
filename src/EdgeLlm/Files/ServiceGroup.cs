using System.Globalization;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace EdgeLlm.Files;

/// <summary>The group of the installed service, `edgellm`, which reads what root writes for it.</summary>
internal static partial class ServiceGroup
{
    private const string Name = "edgellm", Groups = "/etc/group";

    /// <summary>
    /// Gives an open file to the group, where there is one and this process is root; else it stays the group's that it is.
    /// </summary>
    public static void Give(SafeFileHandle file)
    {
        if (Environment.IsPrivilegedProcess && Number() is { } number)
            _ = ChangeOwner(file, -1, number); // refused (FAT): it stays root's, and the service says that it can't read it
    }

    /// <summary>The group's number by group(5); null where there is none.</summary>
    private static int? Number()
    {
        try
        {
            foreach (string line in File.ReadLines(Groups))
            {
                string[] fields = line.Split(':');
                if (fields.Length >= 3 && fields[0] == Name
                    && int.TryParse(fields[2], NumberStyles.None, CultureInfo.InvariantCulture, out int number))
                    return number;
            }
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // No such file: not a system with groups of this kind.
        }
        return null;
    }

    [LibraryImport("libc", EntryPoint = "fchown")]
    private static partial int ChangeOwner(SafeFileHandle file, int user, int group);
}
