using System.Runtime.InteropServices;

namespace EdgeLlm.Speech.Tests.Recognition;

/// <summary>The golden recordings: WAV of 16 kHz, one channel, 16 bits, with a header of 44 bytes.</summary>
internal static class Recordings
{
    public static float[] Read(string path)
    {
        byte[] bytes = File.ReadAllBytes(path);
        Assert.Equal("data", System.Text.Encoding.ASCII.GetString(bytes, 36, 4));
        ReadOnlySpan<short> samples = MemoryMarshal.Cast<byte, short>(bytes.AsSpan(44));
        float[] floats = new float[samples.Length];
        for (int i = 0; i < floats.Length; i++) floats[i] = samples[i] / 32768f;
        return floats;
    }
}
