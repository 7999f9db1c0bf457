using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Http;

namespace EdgeLlm.Server.Http;

/// <summary>
/// The open connections, up to a limit: where there is one too many, the one is closed that had no request in work for the longest time, so
/// that nobody who merely connects can lock others out. A request is in work from when its body has been read until its answer has been
/// sent.
/// </summary>
/// <param name="most">How many may be open.</param>
internal sealed class Connections(int most)
{
    private readonly Lock _gate = new();
    private readonly LinkedList<Connection> _idle = []; // the longest idle one first
    private int _open;

    /// <summary>How many are open.</summary>
    public int Open
    {
        get
        {
            lock (_gate) return _open;
        }
    }

    /// <summary>Serves a connection to its end; closes it at once where all others are at work.</summary>
    public async Task ServeAsync(ConnectionContext context, ConnectionDelegate next)
    {
        var connection = new Connection(this, context);
        Connection? closed;
        lock (_gate)
        {
            _open++;
            _idle.AddLast(connection.Place);
            closed = _open > most ? _idle.First!.Value : null;
            if (closed is not null) _idle.Remove(closed.Place);
        }
        closed?.Context.Abort(new ConnectionAbortedException("closed for another one: it was idle for the longest time"));
        try
        {
            context.Features.Set(connection);
            if (closed != connection) await next(context).ConfigureAwait(false);
        }
        finally
        {
            lock (_gate)
            {
                _open--;
                if (connection.Place.List is not null) _idle.Remove(connection.Place);
            }
        }
    }

    /// <summary>Says that a request has come whole and is being worked on.</summary>
    public static void Begin(HttpContext context)
    {
        if (context.Features.Get<Connection>() is { } connection) connection.SetAtWork(true);
    }

    /// <summary>Says that its answer has been sent.</summary>
    public static void End(HttpContext context)
    {
        if (context.Features.Get<Connection>() is { } connection) connection.SetAtWork(false);
    }

    private sealed class Connection
    {
        private readonly Connections _all;
        private bool _atWork;

        public Connection(Connections all, ConnectionContext context)
        {
            _all = all;
            Context = context;
            Place = new LinkedListNode<Connection>(this);
        }

        public ConnectionContext Context { get; }

        public LinkedListNode<Connection> Place { get; }

        public void SetAtWork(bool atWork)
        {
            lock (_all._gate)
            {
                if (atWork && Place.List is not null) // not one that is being closed
                {
                    _all._idle.Remove(Place);
                    _atWork = true;
                }
                else if (!atWork && _atWork)
                {
                    _all._idle.AddLast(Place);
                    _atWork = false;
                }
            }
        }
    }
}
