namespace EdgeLlm.Kernels;

/// <summary>
/// The queries that look at one key/value head: <see cref="Tokens"/> tokens at consecutive positions, each with <see cref="GroupSize"/>
/// heads side by side. Query (t, g) begins at Queries + t * Stride + g * dimension, its output likewise.
/// </summary>
internal unsafe struct AttentionQuery
{
    public float* Queries;
    public float* Output;

    /// <summary>Floats from one token to the next, in both.</summary>
    public nint Stride;

    public int Tokens;
    public int GroupSize;

    /// <summary>
    /// Position of the first token: token t sees the keys of positions up to FirstPosition + t, and <see cref="After"/> more.
    /// </summary>
    public int FirstPosition;

    /// <summary>How many positions a token sees, its own among them; 0: all.</summary>
    public int Window;

    /// <summary>How many positions after its own a token sees, of those that there are.</summary>
    public int After;

    /// <summary>Positions that there are; read where <see cref="After"/> is not 0.</summary>
    public int Keys;

    /// <summary>Factor of the scores, usually 1 / sqrt(dimension).</summary>
    public float Scale;

    /// <summary>Soft cap of the scaled scores, cap * tanh(score / cap); 0: none.</summary>
    public float Cap;

    /// <summary>[GroupSize]: a score loses this times the distance of the key (ALiBi); null: nothing.</summary>
    public float* Slopes;

    /// <summary>[GroupSize]: a score of each head that takes part in the softmax without a value; null: none.</summary>
    public float* Sinks;

    /// <summary>The first position that token <paramref name="token"/> sees.</summary>
    public readonly int FirstKey(int token) => Window == 0 ? 0 : Math.Max(0, FirstPosition + token - Window + 1);

    /// <summary>The last position that token <paramref name="token"/> sees.</summary>
    public readonly int LastKey(int token) =>
        After == 0 ? FirstPosition + token : (int)Math.Min(Keys - 1, (long)FirstPosition + token + After);
}
