namespace EdgeLlm.Extensions.AI;

/// <summary>Answers of clients to GetService.</summary>
internal static class ClientServices
{
    /// <summary>The first service of the type asked for: the client itself, what describes it, or the model that it calls.</summary>
    public static object? Find(Type serviceType, object? serviceKey, params ReadOnlySpan<object> services)
    {
        ArgumentNullException.ThrowIfNull(serviceType);
        if (serviceKey is not null) return null;
        foreach (object service in services)
        {
            if (serviceType.IsInstanceOfType(service)) return service;
        }
        return null;
    }
}
