using System.Reflection;
using System.Runtime.CompilerServices;

namespace EdgeLlm.Kernels.Tests;

public sealed class SignatureTests
{
    private const int MostParameters = 9;

    [Fact]
    public void No_method_takes_more_than_nine_parameters()
    {
        const BindingFlags Own = BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Static | BindingFlags.Instance
            | BindingFlags.DeclaredOnly;
        MethodBase[] methods = [.. typeof(Kernel).Assembly.GetTypes().Where(IsWritten)
            .SelectMany(type => type.GetMethods(Own).AsEnumerable<MethodBase>().Concat(type.GetConstructors(Own)))
            .Where(method => IsWritten(method) && method.Name is not ("BeginInvoke" or "EndInvoke"))];
        Assert.Contains(methods, method => method.Name == nameof(Kernel.MultiplyPacked));
        Assert.Contains(methods, method => method.IsPrivate && method.DeclaringType!.Namespace == "EdgeLlm.Kernels.Arm");
        Assert.Empty(methods.Where(method => method.GetParameters().Length > MostParameters)
            .Select(method => $"{method.DeclaringType}.{method.Name}: {method.GetParameters().Length}"));
    }

    /// <summary>False of what the compiler made: lambdas, local functions, their types.</summary>
    private static bool IsWritten(MemberInfo member) =>
        !member.Name.StartsWith('<') && !member.IsDefined(typeof(CompilerGeneratedAttribute), inherit: false);
}
