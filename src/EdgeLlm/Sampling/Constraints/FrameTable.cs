namespace EdgeLlm.Sampling.Constraints;

/// <summary>
/// Stacks of calls, as numbers: a frame says where to continue, and with which frame below it; equal stacks have equal numbers. 0 is the
/// empty one. Frames are only added, and taken away again from the end.
/// </summary>
internal sealed class FrameTable
{
    private Frame[] _frames = new Frame[256];
    private int[] _slots = new int[1024]; // open addressing; 0: free

    public FrameTable() => Count = 1;

    public int Count { get; private set; }

    public ref readonly Frame this[int frame] => ref _frames[frame];

    /// <summary>The frame's number; made where it is new.</summary>
    public int Of(int state, int value, int below, int distance)
    {
        int mask = _slots.Length - 1;
        int slot = Hash(state, value, below) & mask;
        for (; _slots[slot] != 0; slot = (slot + 1) & mask)
        {
            ref Frame frame = ref _frames[_slots[slot]];
            if (frame.State == state && frame.Value == value && frame.Below == below) return _slots[slot];
        }
        if (Count == _frames.Length || Count * 2 >= _slots.Length)
        {
            Grow();
            return Of(state, value, below, distance);
        }
        _frames[Count] = new Frame(state, value, below, distance, _frames[below].Depth + 1);
        return _slots[slot] = Count++;
    }

    /// <summary>Takes away the frames from this on.</summary>
    public void Truncate(int count)
    {
        int mask = _slots.Length - 1;
        while (Count > count)
        {
            // In the order against that of adding, a slot can be freed without moving others.
            ref Frame frame = ref _frames[--Count];
            int slot = Hash(frame.State, frame.Value, frame.Below) & mask;
            while (_slots[slot] != Count) slot = (slot + 1) & mask;
            _slots[slot] = 0;
        }
    }

    private void Grow()
    {
        Array.Resize(ref _frames, _frames.Length * 2);
        _slots = new int[_frames.Length * 4];
        int mask = _slots.Length - 1;
        for (int i = 1; i < Count; i++)
        {
            int slot = Hash(_frames[i].State, _frames[i].Value, _frames[i].Below) & mask;
            while (_slots[slot] != 0) slot = (slot + 1) & mask;
            _slots[slot] = i;
        }
    }

    private static int Hash(int state, int value, int below)
    {
        uint hash = (uint)state * 0x9E3779B1 ^ (uint)value * 0x85EBCA77 ^ (uint)below * 0xC2B2AE3D;
        return (int)(hash ^ hash >> 15);
    }

    /// <param name="State">State to continue with.</param>
    /// <param name="Value">The caller's count or members.</param>
    /// <param name="Below">The frame below.</param>
    /// <param name="Distance">Bytes from there to the end of the whole.</param>
    /// <param name="Depth">Frames of the stack.</param>
    internal readonly record struct Frame(int State, int Value, int Below, int Distance, int Depth);
}
