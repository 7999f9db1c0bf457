using EdgeLlm.Generation.Prefixes;
using Microsoft.AspNetCore.Builder;

namespace EdgeLlm.Server.Access;

/// <summary>
/// Who asks. It goes with a request through all that is done for it, so that no endpoint can forget to ask what its key allows.
/// </summary>
internal sealed class Caller
{
    private static readonly AsyncLocal<Caller?> Ambient = new();

    private readonly IReadOnlyList<string>? _models;

    public Caller(ApiKey key, KeyMeter meter)
    {
        (Name, Role, Meter, _models) = (key.Name, key.Role, meter, key.Models);
        Scope = new PrefixScope(key.Hash);
    }

    private Caller() => (Name, Role, Scope) = (null, KeyRole.Admin, PrefixScope.Service);

    /// <summary>Who the work at hand is for; the service itself where it is for no request.</summary>
    public static Caller Current
    {
        get => Ambient.Value ?? Everyone;
        set => Ambient.Value = value;
    }

    /// <summary>Whoever can reach a service that has no keys, and the service itself: all is allowed.</summary>
    public static Caller Everyone { get; } = new();

    /// <summary>The key's name; null where there are no keys.</summary>
    public string? Name { get; }

    /// <summary>Role of the key.</summary>
    public KeyRole Role { get; }

    /// <summary>Whose computed prompts it may reuse.</summary>
    public PrefixScope Scope { get; }

    /// <summary>Counter of the key's use; null: it is not counted.</summary>
    public KeyMeter? Meter { get; }

    /// <summary>Whether it may use the model of a name; one that it may not use is not there for it.</summary>
    public bool MayUse(string model) => _models is null || _models.Any(name => ServedModel.IsCalled(name, model));
}

/// <summary>Metadata of a route: who may call it. A route without it takes a key of any role, where there are keys.</summary>
/// <param name="Least">The least role; null: nobody needs a key.</param>
internal sealed record RouteAccess(KeyRole? Least)
{
    /// <summary>A route of a service that has no metadata.</summary>
    public static RouteAccess Usual { get; } = new(KeyRole.Use);

    public static RouteAccess None { get; } = new((KeyRole?)null);

    /// <summary>Open to programs of this machine; others need a key.</summary>
    public bool IsOpenHere { get; init; }
}

internal static class RouteAccessExtensions
{
    /// <summary>Nobody needs a key for this route: it tells nothing that is not the same everywhere.</summary>
    public static TBuilder WithoutKey<TBuilder>(this TBuilder route) where TBuilder : IEndpointConventionBuilder =>
        route.WithMetadata(RouteAccess.None);

    /// <summary>This route takes a key of at least this role, where there are keys.</summary>
    public static TBuilder For<TBuilder>(this TBuilder route, KeyRole least) where TBuilder : IEndpointConventionBuilder =>
        route.WithMetadata(new RouteAccess(least));
}
