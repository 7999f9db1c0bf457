// Speed of the kernels' integer products on one thread:
//   kernel-bench [--kernel avx2] [--type Q4_1,Q8_0,E4Group32] [--shape 576x1536 (rows x columns)] [--tokens 1,4,256]
// A line per case: median and best of many short rounds, so that a busy machine disturbs little. GEMV of a shape walks over copies of the
// matrix, 64 MB in all (larger than caches), so GB/s is what comes from memory; add --cached for one copy.
//   kernel-bench --type E5Group32 --shape 1536x576 --tokens 1 --times 6
// The best kernel multiplies the whole matrix so many times, and nothing is timed: tools/arm64-kernels counts its instructions.
using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using EdgeLlm.Kernels;
using EdgeLlm.Kernels.Formats;

CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
const long StreamedBytes = 64 << 20;
bool cached = args.Contains("--cached");
int? times = Option("--times") is { } count ? int.Parse(count) : null;
IEnumerable<Kernel> kernels = Option("--kernel") is { } name ? [Kernel.Choose(name)]
    : times is not null ? [Kernel.Available[0]] : Kernel.Available.Where(kernel => kernel.Name != "scalar");
string[] types = (Option("--type") ?? "Q4_1,Q4_0,Q5_0,Q8_0,IQ4_NL,Q4_K,Q6_K,E4Group32,E4Group16,E8Group32,E5Group32,E3Group32").Split(',');
string[] shapes = (Option("--shape") ?? "576x576,1536x576,576x1536,2048x1024").Split(',');
int[] tokenCounts = [.. (Option("--tokens") ?? "1,2,4,256").Split(',').Select(int.Parse)];

if (times is null) Console.WriteLine("kernel    type      rows x columns  tokens   GMAC/s     best     GB/s     best");
foreach (Kernel kernel in kernels)
{
    foreach (string typeName in types)
    {
        if (!Enum.TryParse(typeName, out Packing packing)) packing = Packing.None;
        ElementType type = packing == Packing.None ? Enum.Parse<ElementType>(typeName) : ElementType.I8;
        foreach (int[] shape in shapes.Select(shape => shape.Split('x').Select(int.Parse).ToArray()))
        {
            if (shape[1] % ElementFormat.Get(type).ValuesPerBlock != 0) continue;
            foreach (int tokens in tokenCounts) Measure(kernel, type, packing, shape[0], shape[1], tokens);
        }
    }
}

string? Option(string option) => Array.IndexOf(args, option) is >= 0 and var at && at + 1 < args.Length ? args[at + 1] : null;

unsafe void Measure(Kernel kernel, ElementType type, Packing packing, int rows, int columns, int tokens)
{
    int RowsPerCall = tokens <= 8 ? 64 : 128;
    bool isPacked = packing != Packing.None;
    long matrixBytes = isPacked ? new PackedLayout(packing, columns).ByteCount(rows) : rows * ElementFormat.ByteCount(type, columns);
    long copies = tokens == 1 && !cached ? Math.Max(1, StreamedBytes / matrixBytes) : 1;
    byte* weights = (byte*)NativeMemory.AlignedAlloc((nuint)(copies * matrixBytes), 64);
    byte* activations = (byte*)NativeMemory.AlignedAlloc((nuint)QuantizedActivations.ByteCount(tokens, columns), 64);
    byte* packedActivations = (byte*)NativeMemory.AlignedAlloc((nuint)PackedActivations.ByteCount(tokens, columns), 64);
    byte* scratch = (byte*)NativeMemory.AlignedAlloc((nuint)kernel.ScratchBytes(columns), 64);
    float* y = (float*)NativeMemory.AlignedAlloc((nuint)((long)tokens * rows * sizeof(float)), 64);
    var random = new Random(1);
    random.NextBytes(new Span<byte>(weights, (int)matrixBytes)); // an exponent of infinity here or there costs no time
    for (long i = 1; i < copies; i++) Buffer.MemoryCopy(weights, weights + i * matrixBytes, matrixBytes, matrixBytes);
    var x = new QuantizedActivations(activations, tokens, columns);
    var packedX = new PackedActivations(packedActivations, tokens, columns);
    float[] row = [.. Enumerable.Range(0, columns).Select(_ => random.NextSingle() - 0.5f)];
    fixed (float* floats = row)
    {
        for (int t = 0; t < tokens; t++) kernel.Quantize(floats, x, t);
        for (int t = 0; t < tokens; t++) kernel.QuantizePacked(floats, packedX, t);
    }

    var half = Vector128.Create((sbyte)-63, -52, -42, -33, -25, -18, -11, -5, 1, 7, 13, 19, 27, 35, 45, 57);
    var codebook = Vector256.Create(half, half);
    if (times is not null)
    {
        var whole = new WeightMatrix(weights, new PackedLayout(packing, columns), codebook, rows);
        for (int i = 0; i < times; i++) kernel.MultiplyPacked(whole, packedX, tokens, y, rows, 0, rows, scratch);
        return;
    }

    // A round is some 0.3 milliseconds: short enough to fit between two interruptions.
    var rates = new List<double>();
    long copy = 0;
    int firstRow = 0;
    var clock = Stopwatch.StartNew();
    while (clock.Elapsed.TotalSeconds < 0.4 || rates.Count < 50)
    {
        long start = Stopwatch.GetTimestamp();
        long products = 0;
        double seconds;
        do
        {
            byte* data = weights + copy * matrixBytes;
            WeightMatrix matrix = isPacked ? new WeightMatrix(data, new PackedLayout(packing, columns), codebook, rows)
                : new WeightMatrix(data, type, rows, columns);
            int endRow = Math.Min(rows, firstRow + RowsPerCall);
            if (isPacked) kernel.MultiplyPacked(matrix, packedX, tokens, y, rows, firstRow, endRow, scratch);
            else kernel.Multiply(matrix, x, tokens, y, rows, firstRow, endRow, scratch);
            products += (long)(endRow - firstRow) * columns * tokens;
            firstRow = endRow % rows;
            if (firstRow == 0) copy = (copy + 1) % copies;
            seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        }
        while (seconds < 0.0003);
        rates.Add(products / seconds / 1e9);
    }
    rates.Sort();
    double median = rates[rates.Count / 2], best = rates[^1], bytesPerProduct = (double)matrixBytes / rows / columns / tokens;
    Console.WriteLine(
        $"{kernel.Name,-9} {(isPacked ? packing : type),-9} {rows + " x " + columns,-14} {tokens,7} {median,8:F1} {best,8:F1} {median * bytesPerProduct,8:F1} {best * bytesPerProduct,8:F1}");
    NativeMemory.AlignedFree(weights);
    NativeMemory.AlignedFree(activations);
    NativeMemory.AlignedFree(packedActivations);
    NativeMemory.AlignedFree(scratch);
    NativeMemory.AlignedFree(y);
}
