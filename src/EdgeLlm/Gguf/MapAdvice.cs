namespace EdgeLlm.Gguf;

/// <summary>How mapped pages are going to be used: a hint to the kernel, with the numbers of Linux's madvise(2).</summary>
internal enum MapAdvice
{
    /// <summary>Here and there, such as rows of an embedding: do not read ahead.</summary>
    Random = 1,
    /// <summary>Once, from first to last: read far ahead.</summary>
    Sequential = 2,
    /// <summary>Soon: start to read now.</summary>
    WillNeed = 3,
    /// <summary>Not soon: give the pages up; they are read again when touched.</summary>
    DontNeed = 4,
}
