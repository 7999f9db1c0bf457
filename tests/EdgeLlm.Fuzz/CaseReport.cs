namespace EdgeLlm.Fuzz;

/// <summary>How a case ended.</summary>
internal enum Outcome : byte
{
    Accepted,
    Refused,

    /// <summary>Neither: an exception that is not documented, a message that no user should see, a wrong result.</summary>
    Wrong,
}

/// <summary>What a child process says of a case.</summary>
/// <param name="Seed">The case.</param>
/// <param name="Outcome">How it ended.</param>
/// <param name="Reason">What refused it: the exception's type or a status; of a wrong case everything that is known.</param>
/// <param name="CpuMicroseconds">Time of the thread from the finished mutant to the end.</param>
/// <param name="Allocated">Bytes allocated in that time.</param>
/// <param name="InputBytes">Bytes of the mutant.</param>
/// <param name="IsBounded">Whether the bounds of a refusal hold for it: it was refused before a plan was made.</param>
internal readonly record struct CaseReport(long Seed, Outcome Outcome, string Reason, long CpuMicroseconds, long Allocated,
    long InputBytes, bool IsBounded)
{
    public void Write(BinaryWriter writer)
    {
        writer.Write(Seed);
        writer.Write((byte)Outcome);
        writer.Write(Reason);
        writer.Write(CpuMicroseconds);
        writer.Write(Allocated);
        writer.Write(InputBytes);
        writer.Write(IsBounded);
    }

    /// <exception cref="EndOfStreamException">The child has died.</exception>
    public static CaseReport Read(BinaryReader reader) => new(
        reader.ReadInt64(), (Outcome)reader.ReadByte(), reader.ReadString(), reader.ReadInt64(), reader.ReadInt64(),
        reader.ReadInt64(), reader.ReadBoolean());
}
