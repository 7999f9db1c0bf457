using System.Numerics;
using System.Runtime.CompilerServices;
using EdgeLlm.Chat.Jinja.Values;

namespace EdgeLlm.Chat.Jinja.Runtime;

/// <summary>One rendering of a template: what it has used of its limits, the line it is at, and where its output goes.</summary>
internal sealed class Rendering
{
    // Python refuses to print an int of more than 4,300 digits, which is 14,285 bits.
    private const int MaximumIntegerBits = 14_285;
    private const int ValueBytes = 40;
    private const int TextBytes = 88; // of the value and its string, without characters
    private const int ScopeBytes = 160; // with its first names
    private const int CallBytes = 120; // an enumerator, a bound method, or the lists of a call's arguments
    private const int StepsBetweenLooks = 1 << 9;

    private readonly ChatTemplateLimits _limits;
    private readonly TimeSpan _start = ProcessorTime.OfThread();
    private readonly long _allocatedBefore = GC.GetAllocatedBytesForCurrentThread();
    private long _steps;
    private long _nextLook = StepsBetweenLooks;
    private long _allocatedBytes;
    private int _depth;

    public Rendering(ChatTemplateLimits limits, DateTimeOffset now)
    {
        _limits = limits;
        Now = now;
        Output = new TextBuilder(this);
    }

    /// <summary>The time that <c>strftime_now</c> tells.</summary>
    public DateTimeOffset Now { get; }

    /// <summary>Where statements write; a macro or a block that is captured puts its own in this place for a while.</summary>
    public TextBuilder Output { get; set; }

    /// <summary>The template's line that is being evaluated.</summary>
    public int Line { get; private set; }

    public ChatTemplateException Fail(string reason) => new(reason, Line);

    /// <summary>Goes one level deeper, at a line; returns what <see cref="Leave"/> needs to come back.</summary>
    public int Enter(int line)
    {
        int outerLine = Line;
        Line = line;
        Step();
        if (++_depth > _limits.MaximumDepth) throw Fail($"nested deeper than {_limits.MaximumDepth} levels");
        if ((_depth & 15) == 0 && !RuntimeHelpers.TryEnsureSufficientExecutionStack()) throw Fail("nested too deep for the stack");
        return outerLine;
    }

    public void Leave(int outerLine)
    {
        _depth--;
        Line = outerLine;
    }

    public void Step(long count = 1)
    {
        _steps += count;
        if (_steps > _limits.MaximumSteps) throw Fail($"more than {_limits.MaximumSteps} steps");
        if (_steps >= _nextLook) Look();
    }

    /// <summary>Accounts for a container of a given number of values, before it is made.</summary>
    public void AllocateItems(long count)
    {
        Step(count >> 2);
        Allocate((count + 1) * ValueBytes);
    }

    /// <summary>Accounts for the names of a pass of a loop or of a body.</summary>
    public void AllocateScope()
    {
        Step();
        Allocate(ScopeBytes);
    }

    /// <summary>Accounts for what a call or a walk over items takes itself.</summary>
    public void AllocateCall() => Allocate(CallBytes);

    /// <summary>Accounts for a copy of a given number of characters and of changes of origin in them.</summary>
    public void AllocateCopy(long length, int toggles)
    {
        Step(toggles >> 4);
        Allocate(length * sizeof(char) + toggles * sizeof(int) + TextBytes);
    }

    /// <summary>Accounts for a string of a given number of characters, before it is made.</summary>
    public void AllocateText(long length)
    {
        Step(length >> 5);
        Allocate(length * sizeof(char) + TextBytes);
    }

    public void CheckTextLength(long length)
    {
        if (length > _limits.MaximumOutputLength) throw Fail($"text longer than {_limits.MaximumOutputLength} characters");
    }

    /// <summary>Runs a body with its output captured.</summary>
    public StringValue Capture<TState>(TState state, Action<Rendering, TState> body)
    {
        TextBuilder outer = Output;
        Output = new TextBuilder(this);
        body(this, state);
        StringValue captured = Output.ToValue();
        Output = outer;
        return captured;
    }

    public IntegerValue Integer(BigInteger value)
    {
        if (int.MinValue <= value && value <= int.MaxValue) return IntegerValue.Of((int)value);
        Allocate(value.GetByteCount() + ValueBytes);
        return value.GetBitLength() <= MaximumIntegerBits ? new IntegerValue(value) : throw Fail("integer too large");
    }

    /// <summary>A value that must be an int, brought into the range of 32 bits, as a length or position may be.</summary>
    public int ToInt(Value value)
    {
        if (value is UndefinedValue undefined) throw Fail(undefined.Message);
        if (!Numbers.TryInteger(value, out BigInteger integer))
            throw Fail($"'{value.TypeName}' object cannot be interpreted as an integer");
        return (int)BigInteger.Clamp(integer, int.MinValue, int.MaxValue);
    }

    /// <summary>A value that must be a string.</summary>
    public StringValue ToString(Value value) => value switch
    {
        StringValue text => text,
        UndefinedValue undefined => throw Fail(undefined.Message),
        _ => throw Fail($"a string is needed, not '{value.TypeName}'"),
    };

    public IEnumerator<Value> Iterate(Value value)
    {
        AllocateCall();
        return value.Iterate(this) ?? throw Fail($"'{value.TypeName}' object is not iterable");
    }

    public List<Value> ToList(Value value)
    {
        if (value is ListValue list)
        {
            AllocateItems(list.Items.Count);
            return [.. list.Items];
        }
        List<Value> items = [];
        IEnumerator<Value> iterator = Iterate(value);
        while (iterator.MoveNext())
        {
            Allocate(ValueBytes);
            Step();
            items.Add(iterator.Current);
        }
        return items;
    }

    /// <summary>
    /// The guard: what a template was not made to account for is seen here, though not at the same step on every machine.
    /// </summary>
    private void Look()
    {
        _nextLook = _steps + StepsBetweenLooks;
        if (GC.GetAllocatedBytesForCurrentThread() - _allocatedBefore > 2 * _limits.MaximumAllocatedBytes) throw TooManyBytes();
        if (ProcessorTime.OfThread() - _start > _limits.MaximumTime)
            throw Fail($"more than {_limits.MaximumTime.TotalSeconds} s of processor time");
    }

    private void Allocate(long bytes)
    {
        _allocatedBytes += bytes;
        if (_allocatedBytes > _limits.MaximumAllocatedBytes) throw TooManyBytes();
    }

    private ChatTemplateException TooManyBytes() => Fail($"more than {_limits.MaximumAllocatedBytes} bytes of strings and lists");
}
