using System.Buffers.Binary;
using System.CommandLine;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using EdgeLlm.Cli.Evaluation;
using EdgeLlm.Cli.Quantize;
using EdgeLlm.Files;
using EdgeLlm.Models;

namespace EdgeLlm.Cli.Commands;

/// <summary>`edgellm embed`: a vector of each line of text.</summary>
internal static class EmbedCommand
{
    private const int BatchTexts = 32;

    public static Command Create()
    {
        var input = TextLines.Argument();
        var pooling = new Option<Pooling?>("--pooling")
        {
            Description = "How the tokens' hidden states become one vector (default: as the model says, else mean)",
            HelpName = "mean|cls|last",
        };
        pooling.AcceptOnlyFromAmong("mean", "cls", "last");
        var raw = new Option<bool>("--no-normalize") { Description = "Do not divide vectors by their lengths" };
        var prompt = new Option<string?>("--prompt")
        {
            Description =
                "The name of a prompt of the model's, which goes before each text, such as query (default: as the model says, else none)",
            HelpName = "NAME",
        };
        var output = new Option<string?>("--output", "-o")
        {
            Description = "Write the vectors to this file, as NumPy reads them: .npy, float32 [texts, dimensions]",
            HelpName = "FILE",
        };
        var command = new Command("embed", "Make a vector of each line of text, by an encoder or a generating model: a JSON array a line.")
        {
            SharedOptions.Model, input, pooling, raw, prompt, output, SharedOptions.Context, SharedOptions.Threads, SharedOptions.Kernel,
        };
        command.SetAction(async (result, cancellation) =>
        {
            string path = SharedOptions.ModelPathOf(result);
            string? file = result.GetValue(input), target = result.GetValue(output);
            if (target is not null) OutputFile.Require(target, force: true, [.. QuantizeSource.FilesOf(path), .. TextLines.FilesOf(file)]);
            ModelOptions options = SharedOptions.ModelOptionsOf(result);
            Pooling? chosen = result.GetValue(pooling);
            bool? normalize = result.GetValue(raw) ? false : null;
            string? kind = result.GetValue(prompt);
            await Task.Run(() => Embed(path, options, chosen, normalize, kind, file, target, cancellation), cancellation)
                .ConfigureAwait(false);
        });
        return command;
    }

    private static void Embed(string path, ModelOptions options, Pooling? pooling, bool? normalize, string? prompt, string? input,
        string? output, CancellationToken cancellation)
    {
        using TextEncoder encoder = TextEncoder.Load(path, options, pooling, normalize);
        if (prompt is not null && !encoder.Prompts.ContainsKey(prompt))
            throw new ModelException(path,
                $"has no prompt '{Printable.Line(prompt)}': "
                    + $"{(encoder.Prompts.Count == 0 ? "it has none" : $"there are {string.Join(", ", encoder.Prompts.Keys.Select(name => Printable.Line(name)))}")}");
        IEnumerable<float[]> vectors =
            TextLines.Read(input).Chunk(BatchTexts).SelectMany(texts => encoder.Embed(texts, prompt, cancellation));
        if (output is not null)
        {
            float[][] all = [.. vectors];
            AtomicFile.Write(output, file => WriteArray(file, all, encoder.Dimensions));
            return;
        }
        using Stream lines = StandardStreams.OpenOutput();
        foreach (float[] vector in vectors)
        {
            using (var json = new Utf8JsonWriter(lines))
            {
                json.WriteStartArray();
                foreach (float number in vector) json.WriteNumberValue(number);
                json.WriteEndArray();
            }
            lines.WriteByte((byte)'\n');
            lines.Flush();
        }
    }

    /// <summary>
    /// NumPy's format, version 1.0: a mark, the header's length, a Python dictionary padded to a multiple of 64 bytes, then the numbers.
    /// </summary>
    private static void WriteArray(Stream file, float[][] vectors, int dimensions)
    {
        const int Alignment = 64, PrefixBytes = 10;
        string header = $"{{'descr': '<f4', 'fortran_order': False, 'shape': ({vectors.Length}, {dimensions}), }}";
        int padded = (PrefixBytes + header.Length + 1 + Alignment - 1) / Alignment * Alignment - PrefixBytes;
        file.Write([0x93, .. "NUMPY"u8, 1, 0]);
        Span<byte> length = stackalloc byte[sizeof(ushort)];
        BinaryPrimitives.WriteUInt16LittleEndian(length, (ushort)padded);
        file.Write(length);
        file.Write(Encoding.ASCII.GetBytes(header.PadRight(padded - 1) + "\n"));
        foreach (float[] vector in vectors) file.Write(MemoryMarshal.AsBytes<float>(vector));
    }
}
