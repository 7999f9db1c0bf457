using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace EdgeLlm.Kernels.Formats;

/// <summary>
/// H x for each 32 consecutive numbers x, H the Hadamard matrix in Sylvester's order with entries 1 and -1: five stages (a, b) -> (a + b, a
/// - b) with strides 16, 8, 4, 2 and 1, in floats, so that vectors of every width give the same bits. A matrix is stored as W' = W H / 32
/// (1/32 is exact) and multiplies x' = H x, as H H = 32. Large weights and activations are spread over 32 columns: both are then rounded
/// with less error. Here in vectors of four; the scalar kernel has it number by number.
/// </summary>
internal static unsafe class Rotation
{
    /// <summary>Numbers that are mixed with each other.</summary>
    public const int Columns = 32;

    /// <summary>Rotates whole blocks of 32 in place.</summary>
    public static void Apply(Span<float> x)
    {
        fixed (float* start = x) Apply(start, start, x.Length);
    }

    /// <summary>Rotates rows of weights for storing: x H / 32.</summary>
    public static void Store(Span<float> x)
    {
        Apply(x);
        foreach (ref float number in x) number *= 1f / Columns;
    }

    /// <summary>y = H x.</summary>
    /// <param name="y">May be <paramref name="x"/>.</param>
    /// <param name="count">A multiple of 32.</param>
    public static void Apply(float* x, float* y, int count)
    {
        for (; count > 0; count -= Columns, x += Columns, y += Columns)
        {
            Vector128<float> a = Vector128.Load(x), b = Vector128.Load(x + 4), c = Vector128.Load(x + 8), d = Vector128.Load(x + 12);
            Vector128<float> e = Vector128.Load(x + 16), f = Vector128.Load(x + 20), g = Vector128.Load(x + 24), h = Vector128.Load(x + 28);
            Mix(ref a, ref e);
            Mix(ref b, ref f);
            Mix(ref c, ref g);
            Mix(ref d, ref h);
            Mix(ref a, ref c);
            Mix(ref b, ref d);
            Mix(ref e, ref g);
            Mix(ref f, ref h);
            Mix(ref a, ref b);
            Mix(ref c, ref d);
            Mix(ref e, ref f);
            Mix(ref g, ref h);
            Within(a).Store(y);
            Within(b).Store(y + 4);
            Within(c).Store(y + 8);
            Within(d).Store(y + 12);
            Within(e).Store(y + 16);
            Within(f).Store(y + 20);
            Within(g).Store(y + 24);
            Within(h).Store(y + 28);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Mix(ref Vector128<float> x, ref Vector128<float> y) => (x, y) = (x + y, x - y);

    /// <summary>Strides 2 and 1. A difference a - b is a + (-b): the same bits.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<float> Within(Vector128<float> x)
    {
        Vector128<float> upper = Vector128.Create(0f, 0f, -0f, -0f), odd = Vector128.Create(0f, -0f, 0f, -0f);
        x = Vector128.Shuffle(x, Vector128.Create(2, 3, 0, 1)) + (x ^ upper);
        return Vector128.Shuffle(x, Vector128.Create(1, 0, 3, 2)) + (x ^ odd);
    }
}
