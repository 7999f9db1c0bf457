using EdgeLlm.Models;

namespace EdgeLlm.Cli.Pull;

/// <summary>Message for a model that is not on this machine: the line that fetches it.</summary>
internal static class MissingModel
{
    /// <summary>
    /// The line to type: for a good small model that is called so, for a repository as it is, else for the list of those.
    /// </summary>
    public static string PullLineFor(string name)
    {
        if (RecommendedModels.Load().Find(name) is { } model) return $"edgellm pull {ShellWord.Quote(model.Reference)}";
        bool isRepository = !name.EndsWith(StoredModel.Extension, StringComparison.OrdinalIgnoreCase)
            && RepositoryReference.IsRepository(name);
        return isRepository ? $"edgellm pull {ShellWord.Quote(name)}" : "edgellm pull (lists small models that run here)";
    }

    /// <summary>The file of a model, as <see cref="ModelStore.PathOf"/> finds it.</summary>
    /// <exception cref="IOException">There is none; the message has the line that fetches it, where one is known.</exception>
    public static string PathOf(string? name)
    {
        try
        {
            return ModelStore.OfThisMachine().PathOf(name);
        }
        catch (FileNotFoundException exception)
            when (name is not null && !File.Exists(name) && RecommendedModels.Load().Find(name) is not null)
        {
            throw new FileNotFoundException($"{exception.Message} (to get it: {PullLineFor(name)})");
        }
    }
}
