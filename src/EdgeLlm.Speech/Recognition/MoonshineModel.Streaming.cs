using EdgeLlm.Kernels;
using EdgeLlm.Models;

namespace EdgeLlm.Speech.Recognition;

/// <summary>The streaming encoder, piece by piece.</summary>
internal sealed unsafe partial class MoonshineModel
{
    /// <summary>
    /// State of a sound of up to a given number of samples, for <see cref="EncodeNext"/>; null: the encoder needs the whole utterance.
    /// </summary>
    public MoonshineStream? BeginStream(int mostSamples)
    {
        if (!Config.IsStreaming) return null;
        int frames = Math.Min(MostFrames, mostSamples / (4 * Config.FrameSamples) + 1);
        return new MoonshineStream(Config, _decoder.NewCache(frames));
    }

    /// <summary>Encodes what is new of a sound; the decoder sees all of it from now on.</summary>
    /// <param name="samples">All of it so far. Where it is shorter than before, or the sound before it ended within a piece, it is another
    /// one.</param>
    /// <exception cref="NotFiniteException">An activation is infinite or not a number.</exception>
    public void EncodeNext(ReadOnlySpan<float> samples, MoonshineStream stream, CancellationToken cancellation)
    {
        int size = Config.FrameSamples, pieces = (samples.Length + size - 1) / size;
        if (stream.IsEnded || pieces < stream.Pieces) stream.Clear();
        if ((pieces + 3) / 4 > stream.Cross.Positions)
            throw new ArgumentException($"{(pieces + 3) / 4} frames are more than the {stream.Cross.Positions} of this stream");
        stream.IsEnded = samples.Length % size != 0;
        try
        {
            fixed (float* x = samples)
            {
                while (stream.Pieces < pieces)
                    EncodePieces(x, samples.Length, stream, Math.Min(MoonshineStream.ChunkPieces, pieces - stream.Pieces), cancellation);
            }
        }
        catch
        {
            stream.IsEnded = true; // half a chunk is in it
            throw;
        }
        _seen = stream.Cross;
    }

    private void EncodePieces(float* samples, int count, MoonshineStream stream, int pieces, CancellationToken cancellation)
    {
        int size = Config.FrameSamples, width = Config.Encoder.Width, decoderWidth = Config.Decoder.Width,
            first = stream.Pieces, last = first + pieces;
        for (int piece = 0; piece < pieces; piece++) CompressFrame(samples, count, first + piece, stream.Compressed + (nint)piece * size);
        float* linear = stream.Linear + (nint)MoonshineStream.TailOf(first) * width;
        for (int done = 0; done < pieces; done += EncoderStack.ChunkFrames)
        {
            int part = Math.Min(EncoderStack.ChunkFrames, pieces - done);
            Compute.Multiply(stream.Compressed + (nint)done * size, size, part,
                new Product { Linear = _linear, To = linear + (nint)done * width, Activation = Activation.Silu });
        }
        if (last * (long)size > count)
            new Span<float>(linear + (nint)(pieces - 1) * width, width).Clear(); // a frame that is not full is masked
        int convolved = (first + 1) / 2, nextConvolved = (last + 1) / 2, frame = (convolved + 1) / 2, nextFrame = (nextConvolved + 1) / 2;
        int convolvedTail = MoonshineStream.TailOf(convolved), frames = nextFrame - frame;
        _first.Run(stream.Linear, MoonshineStream.TailOf(first) + pieces, 0, 0, nextConvolved - convolved,
            stream.Convolved + (nint)convolvedTail * 2 * width);
        float* states = stream.States + (nint)stream.Encoder.Lag * width;
        _second.Run(stream.Convolved, convolvedTail + nextConvolved - convolved, 0, 0, frames, states);
        stream.Advance(pieces);
        if (frames == 0) return;
        int changed = _encoder.Run(states, frames, stream.Encoder, cancellation), rows = nextFrame - changed;
        float* seen = stream.Projected, row = seen + (nint)(stream.Encoder.Lag + stream.Encoder.MostFrames) * decoderWidth;
        states -= (nint)(frame - changed) * width;
        for (int i = 0; i < rows; i++)
        {
            _positions!.Value.RowToFloat(changed + i, row);
            Compute.Kernel.Add(states + (nint)i * width, row, width);
        }
        if (_projection is { } projection)
        {
            for (int done = 0; done < rows; done += EncoderStack.ChunkFrames)
                Compute.Multiply(states + (nint)done * width, width, Math.Min(EncoderStack.ChunkFrames, rows - done),
                    EncoderStack.Plain(projection, seen + (nint)done * decoderWidth));
        }
        _decoder.Stack.FillCross(_projection is null ? states : seen, rows, stream.Cross, cancellation, changed);
    }
}
