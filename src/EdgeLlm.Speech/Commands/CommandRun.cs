using System.Diagnostics;
using System.Text;
using EdgeLlm.Files;

namespace EdgeLlm.Speech.Commands;

/// <summary>
/// A command that runs, as the stream of its standard output. Only the time in which it is waited for counts: a reader may be as slow as a
/// loudspeaker. Disposing of it ends it and all that it started. One reader at a time.
/// </summary>
internal sealed class CommandRun : ForwardStream
{
    private readonly string _name;
    private readonly Process _process;
    private readonly CancellationToken _cancellation;
    private readonly Task<(string Text, bool IsTooMuch)> _errors;
    private readonly Task _input;
    private readonly byte[] _buffer = new byte[16 << 10];
    private readonly TimeSpan _limit;
    private int _start, _end;
    private TimeSpan _left;

    internal CommandRun(string name, Process process, ReadOnlyMemory<byte> input, TimeSpan limit, CancellationToken cancellation)
    {
        (_name, _process, _limit, _left, _cancellation) = (name, process, limit, limit, cancellation);
        _errors = Task.Run(ReadErrorsAsync, CancellationToken.None);
        _input = Task.Run(() => WriteInputAsync(input), CancellationToken.None);
    }

    /// <inheritdoc/>
    /// <exception cref="FileException">It took too long, or wrote too much error output.</exception>
    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (buffer.IsEmpty || !await FillAsync(cancellationToken).ConfigureAwait(false)) return 0;
        int count = Math.Min(buffer.Length, _end - _start);
        _buffer.AsSpan(_start, count).CopyTo(buffer.Span);
        _start += count;
        return count;
    }

    /// <summary>Whether it writes anything at all; waits for the first byte, which stays to be read.</summary>
    /// <exception cref="FileException">It took too long.</exception>
    public ValueTask<bool> HasOutputAsync() => FillAsync(_cancellation);

    /// <inheritdoc/>
    public override int Read(byte[] buffer, int offset, int count) =>
        ReadAsync(buffer.AsMemory(offset, count), _cancellation).AsTask().GetAwaiter().GetResult();

    /// <summary>Waits for its end.</summary>
    /// <exception cref="FileException">It took too long, or wrote too much error output.</exception>
    public async Task<(int ExitCode, string Errors)> FinishAsync()
    {
        string errors = await WaitAsync(ErrorsAsync(), _cancellation).ConfigureAwait(false);
        await WaitAsync(ExitAsync(), _cancellation).ConfigureAwait(false);
        return (_process.ExitCode, errors);

        async Task<string> ErrorsAsync()
        {
            await _input.ConfigureAwait(false);
            (string text, bool isTooMuch) = await _errors.ConfigureAwait(false);
            return isTooMuch
                ? throw new FileException(_name, $"wrote more than {ExternalCommand.MostTextBytes >> 10} kB of error output") : text;
        }

        async Task<int> ExitAsync()
        {
            await _process.WaitForExitAsync(CancellationToken.None).ConfigureAwait(false);
            return 0;
        }
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            Kill();
            _process.Dispose();
        }
        base.Dispose(disposing);
    }

    private async ValueTask<bool> FillAsync(CancellationToken cancellation)
    {
        if (_start < _end) return true;
        // Into a buffer of our own: a read that is no longer waited for may still end.
        Task<int> read = _process.StandardOutput.BaseStream.ReadAsync(_buffer, CancellationToken.None).AsTask();
        (_start, _end) = (0, await WaitAsync(read, cancellation).ConfigureAwait(false));
        return _end > 0;
    }

    private async Task<T> WaitAsync<T>(Task<T> work, CancellationToken cancellation)
    {
        long begun = Stopwatch.GetTimestamp();
        try
        {
            return await work.WaitAsync(_left, cancellation).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            Kill();
            throw new FileException(_name, $"took longer than {_limit.TotalSeconds:0.#} s");
        }
        catch (OperationCanceledException)
        {
            Kill();
            throw;
        }
        finally
        {
            TimeSpan left = _left - Stopwatch.GetElapsedTime(begun);
            _left = left > TimeSpan.Zero ? left : TimeSpan.Zero;
        }
    }

    private async Task WriteInputAsync(ReadOnlyMemory<byte> input)
    {
        try
        {
            await _process.StandardInput.BaseStream.WriteAsync(input, CancellationToken.None).ConfigureAwait(false);
            _process.StandardInput.Close();
        }
        catch (Exception exception) when (exception is IOException or ObjectDisposedException or InvalidOperationException)
        {
            // A program need not read all, or any: its exit code says whether it is content.
        }
    }

    /// <summary>The error output; a command that writes too much of it is ended.</summary>
    private async Task<(string Text, bool IsTooMuch)> ReadErrorsAsync()
    {
        byte[] errors = new byte[ExternalCommand.MostTextBytes + 1];
        int count = 0;
        try
        {
            for (int got; (got = await _process.StandardError.BaseStream.ReadAsync(errors.AsMemory(count), CancellationToken.None)
                .ConfigureAwait(false)) > 0;)
            {
                count += got;
                if (count < errors.Length) continue;
                Kill();
                return ("", true);
            }
        }
        catch (Exception exception) when (exception is IOException or ObjectDisposedException or InvalidOperationException)
        {
            // It was ended.
        }
        return (Encoding.UTF8.GetString(errors, 0, count), false);
    }

    private void Kill()
    {
        try
        {
            if (!_process.HasExited) _process.Kill(entireProcessTree: true);
        }
        catch (Exception exception) when (exception is InvalidOperationException or System.ComponentModel.Win32Exception)
        {
            // It ended in this moment.
        }
    }
}
