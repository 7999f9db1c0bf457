using System.Diagnostics.CodeAnalysis;

namespace EdgeLlm.Server.Engine;

/// <summary>
/// A bounded queue in which clients take turns: whoever sends many requests waits behind his own, not others behind them. Of one client, first come,
/// first served.
/// </summary>
/// <param name="capacity">How many may wait.</param>
internal sealed class FairQueue<T>(int capacity) where T : class
{
    private readonly object _gate = new(); // not a Lock: Take waits on it
    private readonly LinkedList<(string Client, List<T> Items)> _turns = []; // the first is next
    private int _count;
    private bool _closed;
    private bool _idle; // somebody waits in Take, so that one item more finds its place at once

    /// <summary>How many wait.</summary>
    public int Count
    {
        get
        {
            lock (_gate) return _count;
        }
    }

    /// <summary>Whether one more would be refused.</summary>
    public bool IsFull
    {
        get
        {
            lock (_gate) return _count >= capacity + (_idle ? 1 : 0);
        }
    }

    /// <summary>Adds at the end; false where the queue is full or closed.</summary>
    public bool TryAdd(string client, T item)
    {
        lock (_gate)
        {
            if (_closed || IsFull) return false; // the lock may be taken twice
            if (Find(client) is { } node) node.Value.Items.Add(item);
            else _turns.AddLast((client, [item]));
            _count++;
            Monitor.Pulse(_gate);
            return true;
        }
    }

    /// <summary>How many items will be taken before this one if no other comes; null where it is out already.</summary>
    public int? CountBefore(string client, T item)
    {
        lock (_gate)
        {
            if (Find(client) is not { } own || own.Value.Items.IndexOf(item) is not (>= 0 and int round)) return null;
            int before = round;
            for (var node = _turns.First; node != own; node = node!.Next) before += Math.Min(node!.Value.Items.Count, round + 1);
            for (var node = own.Next; node is not null; node = node.Next) before += Math.Min(node.Value.Items.Count, round);
            return before;
        }
    }

    /// <summary>Takes an item out, for one that gave up waiting; false where it is out already.</summary>
    public bool Remove(string client, T item)
    {
        lock (_gate)
        {
            if (Find(client) is not { } node || !node.Value.Items.Remove(item)) return false;
            if (node.Value.Items.Count == 0) _turns.Remove(node);
            _count--;
            return true;
        }
    }

    /// <summary>The next item, as soon as there is one; false when the queue has been closed.</summary>
    public bool Take([NotNullWhen(true)] out T? item)
    {
        lock (_gate)
        {
            _idle = true;
            while (_count == 0 && !_closed) Monitor.Wait(_gate);
            _idle = false;
            item = null;
            if (_closed) return false;
            LinkedListNode<(string Client, List<T> Items)> turn = _turns.First!;
            item = turn.Value.Items[0];
            turn.Value.Items.RemoveAt(0);
            _turns.Remove(turn);
            if (turn.Value.Items.Count > 0) _turns.AddLast(turn); // the others' turn first
            _count--;
            return true;
        }
    }

    /// <summary>Lets nothing in any more, and gives those that were waiting.</summary>
    public List<T> Close()
    {
        lock (_gate)
        {
            _closed = true;
            List<T> waiting = [.. _turns.SelectMany(turn => turn.Items)];
            _turns.Clear();
            _count = 0;
            Monitor.PulseAll(_gate);
            return waiting;
        }
    }

    private LinkedListNode<(string Client, List<T> Items)>? Find(string client)
    {
        for (var node = _turns.First; node is not null; node = node.Next)
        {
            if (node.Value.Client == client) return node;
        }
        return null;
    }
}
