using EdgeLlm.Speech.Audio;

namespace EdgeLlm.Assistant.Sound;

/// <summary>
/// Takes the assistant's own sound out of the microphone's: an adaptive filter of 240 ms in blocks of 20 ms, in the frequency domain. Its
/// step follows a Kalman filter's uncertainty of each partition and frequency (Enzner and Vary, Signal Processing 86, 2006; in partitions:
/// Kuech, Mabande and Enzner, ICASSP 2014), so that it holds still while a person speaks. Where the echo begins, up to 0.48 s after the
/// sound was handed to the player, is found by the lag at which the played spectra agree most with the microphone's.
/// </summary>
/// <remarks>The same samples give the same bits on every machine. While nothing was played, samples pass as they are. Not safe for several
/// threads at once.</remarks>
internal sealed class EchoCanceller
{
    /// <summary>Samples of a block, at 16 kHz.</summary>
    public const int Block = SoundSource.Piece;

    private const int Partitions = 12, Lags = 24, Kept = Lags + Partitions;
    private const int Bins = Block + 1;

    // Power of the filter that is expected at first; what of it is kept each block (a room changes slowly); smoothing of the near end's
    // power; least power.
    private const float FirstUncertainty = .1f, Kept2 = .998f, Changes = 1 - Kept2, Least = 1e-6f;

    // The lag is judged over about a second, moved where another's agreement is this much greater, and is more than chance.
    private const float Memory = .98f, Advantage = 1.5f, Chance = .08f;

    private readonly FourierTransform _transform = new(2 * Block);
    private readonly float[][] _playedRe = Rows(Kept), _playedIm = Rows(Kept); // a ring; the newest at _newest
    private readonly float[][] _filterRe = Rows(Partitions), _filterIm = Rows(Partitions), _uncertainty = Rows(Partitions);
    private readonly float[][] _crossRe = Rows(Lags), _crossIm = Rows(Lags);
    private readonly float[] _playedPower = new float[Bins], _heardPower = new float[Bins], _nearPower = new float[Bins];
    private readonly float[] _window = new float[2 * Block], _lastPlayed = new float[Block], _lastHeard = new float[Block],
        _error = new float[Block];
    private readonly float[] _re = new float[Bins], _im = new float[Bins], _power = new float[Bins];
    private int _newest, _start, _judged, _silent = Kept;

    public EchoCanceller()
    {
        foreach (float[] row in _uncertainty) Array.Fill(row, FirstUncertainty);
    }

    /// <summary>Blocks from a sound's hand-over to the beginning of the filter.</summary>
    public int Start => _start;

    /// <summary>Takes the echo out of a block.</summary>
    /// <param name="heard">The microphone's samples [<see cref="Block"/>]; what is left of them on return.</param>
    /// <param name="played">Samples that the player got, in step with the microphone's [<see cref="Block"/>].</param>
    public void Process(Span<float> heard, ReadOnlySpan<float> played)
    {
        _silent = played.ContainsAnyExcept(0f) ? 0 : Math.Min(_silent + 1, Kept);
        _newest = (_newest + Kept - 1) % Kept;
        Transform(_lastPlayed, played, _playedRe[_newest], _playedIm[_newest]);
        played.CopyTo(_lastPlayed);
        if (_silent >= Kept)
        {
            heard.CopyTo(_lastHeard);
            return;
        }
        FindLag(heard);
        Predict();
        _transform.Inverse(_re, _im, _window);
        float before = 0, after = 0;
        for (int i = 0; i < Block; i++)
        {
            _error[i] = heard[i] - _window[Block + i];
            before += heard[i] * heard[i];
            after += _error[i] * _error[i];
        }
        Adapt();
        if (after < before) _error.CopyTo(heard); // a filter that has not found the echo yet must not add one
    }

    /// <summary>The echo's spectrum as the filter has it.</summary>
    private void Predict()
    {
        Array.Clear(_re);
        Array.Clear(_im);
        for (int p = 0; p < Partitions; p++)
        {
            (float[] xRe, float[] xIm, float[] wRe, float[] wIm) =
                (Played(_playedRe, _start + p), Played(_playedIm, _start + p), _filterRe[p], _filterIm[p]);
            for (int k = 0; k < Bins; k++)
            {
                _re[k] += wRe[k] * xRe[k] - wIm[k] * xIm[k];
                _im[k] += wRe[k] * xIm[k] + wIm[k] * xRe[k];
            }
        }
    }

    private void Adapt()
    {
        Array.Clear(_window, 0, Block);
        _error.CopyTo(_window.AsSpan(Block));
        _transform.Forward(_window, _re, _im);
        Array.Clear(_power);
        for (int p = 0; p < Partitions; p++)
        {
            (float[] xRe, float[] xIm, float[] uncertainty) =
                (Played(_playedRe, _start + p), Played(_playedIm, _start + p), _uncertainty[p]);
            for (int k = 0; k < Bins; k++) _power[k] += uncertainty[k] * (xRe[k] * xRe[k] + xIm[k] * xIm[k]);
        }
        for (int k = 0; k < Bins; k++)
        {
            _nearPower[k] = .5f * (_nearPower[k] + _re[k] * _re[k] + _im[k] * _im[k]);
            _power[k] = 1 / (_power[k] + _nearPower[k] + Least);
        }
        float[] stepRe = new float[Bins], stepIm = new float[Bins];
        for (int p = 0; p < Partitions; p++)
        {
            (float[] xRe, float[] xIm, float[] wRe, float[] wIm, float[] uncertainty) =
                (Played(_playedRe, _start + p), Played(_playedIm, _start + p), _filterRe[p], _filterIm[p], _uncertainty[p]);
            for (int k = 0; k < Bins; k++)
            {
                float gain = uncertainty[k] * _power[k];
                stepRe[k] = gain * (xRe[k] * _re[k] + xIm[k] * _im[k]);
                stepIm[k] = gain * (xRe[k] * _im[k] - xIm[k] * _re[k]);
                uncertainty[k] *= Kept2 * (1 - .5f * gain * (xRe[k] * xRe[k] + xIm[k] * xIm[k]));
            }
            // Only a filter of a block's length is a convolution.
            _transform.Inverse(stepRe, stepIm, _window);
            Array.Clear(_window, Block, Block);
            _transform.Forward(_window, stepRe, stepIm);
            for (int k = 0; k < Bins; k++)
            {
                wRe[k] += stepRe[k];
                wIm[k] += stepIm[k];
                uncertainty[k] += Changes * (wRe[k] * wRe[k] + wIm[k] * wIm[k]);
            }
        }
    }

    /// <summary>Finds the lag of the echo, and moves the filter there.</summary>
    private void FindLag(ReadOnlySpan<float> heard)
    {
        Transform(_lastHeard, heard, _re, _im);
        heard.CopyTo(_lastHeard);
        (float[] newRe, float[] newIm) = (Played(_playedRe, 0), Played(_playedIm, 0));
        for (int k = 0; k < Bins; k++)
        {
            _playedPower[k] = Memory * _playedPower[k] + newRe[k] * newRe[k] + newIm[k] * newIm[k];
            _heardPower[k] = Memory * _heardPower[k] + _re[k] * _re[k] + _im[k] * _im[k];
        }
        float best = 0, current = 0, most = 0;
        int lag = 0;
        for (int l = 0; l < Lags; l++)
        {
            (float[] xRe, float[] xIm, float[] crossRe, float[] crossIm) =
                (Played(_playedRe, l), Played(_playedIm, l), _crossRe[l], _crossIm[l]);
            float agreement = 0;
            for (int k = 4; k < Bins - 20; k++)
            {
                crossRe[k] = Memory * crossRe[k] + xRe[k] * _re[k] + xIm[k] * _im[k];
                crossIm[k] = Memory * crossIm[k] + xRe[k] * _im[k] - xIm[k] * _re[k];
                agreement += (crossRe[k] * crossRe[k] + crossIm[k] * crossIm[k]) / (_playedPower[k] * _heardPower[k] + Least);
            }
            if (agreement > best) (best, lag) = (agreement, l);
            if (l == _start || l == _start + 1) current = Math.Max(current, agreement);
            most = Math.Max(most, agreement);
        }
        if (++_judged < 25 || most < Chance * Bins || best < Advantage * current) return; // half a second of sound at least
        MoveTo(Math.Max(0, lag - 1));
    }

    /// <summary>Begins the filter at another lag; what both have in common stays.</summary>
    private void MoveTo(int start)
    {
        int by = start - _start;
        if (by == 0) return;
        _start = start;
        foreach (float[][] rows in (float[][][])[_filterRe, _filterIm, _uncertainty])
        {
            float[][] old = [.. rows];
            for (int p = 0; p < Partitions; p++)
            {
                bool isKnown = p + by >= 0 && p + by < Partitions;
                rows[p] = isKnown ? old[p + by] : new float[Bins];
                if (!isKnown && rows == _uncertainty) Array.Fill(rows[p], FirstUncertainty);
            }
        }
    }

    private float[] Played(float[][] ring, int lag) => ring[(_newest + lag) % Kept];

    private void Transform(ReadOnlySpan<float> before, ReadOnlySpan<float> now, Span<float> re, Span<float> im)
    {
        before.CopyTo(_window);
        now.CopyTo(_window.AsSpan(Block));
        _transform.Forward(_window, re, im);
    }

    private static float[][] Rows(int count)
    {
        var rows = new float[count][];
        for (int i = 0; i < count; i++) rows[i] = new float[Bins];
        return rows;
    }
}
