using System.Diagnostics.CodeAnalysis;

namespace EdgeLlm.Generation.Scheduling;

/// <summary>
/// A bounded queue in which clients take turns: whoever sends many requests waits after his own, not others after them. Of one client and
/// priority, first come, first served; a higher priority comes before a lower one.
/// </summary>
/// <param name="capacity">How many may wait.</param>
internal sealed class FairQueue<T>(int capacity) where T : class
{
    private readonly Lock _gate = new();
    private readonly LinkedList<(string Client, List<T> Items)>[] _turns = [[], [], []]; // [priority]: the first is next
    private int _count;
    private int _places; // free ones of those who are served: so many more items find theirs at once
    private bool _closed;

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
            lock (_gate) return _count >= capacity + Math.Max(0, _places);
        }
    }

    /// <summary>Frees a place for one who is taken out; <see cref="TryTake"/> takes one.</summary>
    public void AddPlaces(int places)
    {
        lock (_gate) _places += places;
    }

    /// <summary>Adds at the end; false where the queue is full or closed.</summary>
    public bool TryAdd(string client, AnswerPriority priority, T item)
    {
        lock (_gate)
        {
            if (_closed || _count >= capacity + Math.Max(0, _places)) return false;
            if (Find(client, priority) is { } node) node.Value.Items.Add(item);
            else _turns[(int)priority].AddLast((client, [item]));
            _count++;
            return true;
        }
    }

    /// <summary>How many items will be taken before this one if no other comes; null where it is out already.</summary>
    public int? CountBefore(string client, AnswerPriority priority, T item)
    {
        lock (_gate)
        {
            if (Find(client, priority) is not { } own || own.Value.Items.IndexOf(item) is not (>= 0 and int round)) return null;
            int before = round;
            for (int higher = 0; higher < (int)priority; higher++)
            {
                foreach ((_, List<T> items) in _turns[higher]) before += items.Count;
            }
            for (var node = own.List!.First; node != own; node = node!.Next) before += Math.Min(node!.Value.Items.Count, round + 1);
            for (var node = own.Next; node is not null; node = node.Next) before += Math.Min(node.Value.Items.Count, round);
            return before;
        }
    }

    /// <summary>Takes an item out, for one that gave up waiting; false where it is out already.</summary>
    public bool Remove(string client, AnswerPriority priority, T item)
    {
        lock (_gate)
        {
            if (Find(client, priority) is not { } node || !node.Value.Items.Remove(item)) return false;
            if (node.Value.Items.Count == 0) node.List!.Remove(node);
            _count--;
            return true;
        }
    }

    /// <summary>Takes the next item that can be served now; one that can't holds up its client, not the others.</summary>
    /// <param name="accepts">Whether an item can be served now; called in the order of turns.</param>
    public bool TryTake(Func<T, bool> accepts, [NotNullWhen(true)] out T? item)
    {
        lock (_gate)
        {
            foreach (LinkedList<(string Client, List<T> Items)> turns in _turns)
            {
                for (var turn = turns.First; turn is not null; turn = turn.Next)
                {
                    item = turn.Value.Items[0];
                    if (!accepts(item)) continue;
                    turn.Value.Items.RemoveAt(0);
                    turns.Remove(turn);
                    if (turn.Value.Items.Count > 0) turns.AddLast(turn); // the others' turn first
                    _count--;
                    _places--;
                    return true;
                }
            }
            item = null;
            return false;
        }
    }

    /// <summary>Lets nothing in any more, and gives those that were waiting.</summary>
    public List<T> Close()
    {
        lock (_gate)
        {
            _closed = true;
            List<T> waiting = [.. _turns.SelectMany(turns => turns).SelectMany(turn => turn.Items)];
            foreach (LinkedList<(string Client, List<T> Items)> turns in _turns) turns.Clear();
            _count = 0;
            return waiting;
        }
    }

    private LinkedListNode<(string Client, List<T> Items)>? Find(string client, AnswerPriority priority)
    {
        for (var node = _turns[(int)priority].First; node is not null; node = node.Next)
        {
            if (node.Value.Client == client) return node;
        }
        return null;
    }
}
