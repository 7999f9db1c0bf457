using System.Diagnostics;
using EdgeLlm.Models;

namespace EdgeLlm.Cli.Bench;

/// <summary>Result of the tuning.</summary>
/// <param name="Choice">The numbers of threads.</param>
/// <param name="Spread">How far their rounds were apart, of the fastest: 0.1 is 10 %.</param>
internal sealed record ThreadMeasurement(ThreadChoice Choice, double Spread)
{
    /// <summary>Whether it is worth remembering: on a machine that does other work meanwhile, chance decides.</summary>
    public bool IsSteady => Spread <= 0.10;
}

/// <summary>
/// Finds the numbers of threads that a model's prompts and decoding are fastest with: all from one to the cores, the best of three rounds
/// each, after one that does not count.
/// </summary>
internal static class ThreadTuning
{
    private const int PromptTokens = 64;
    private const int DecodedTokens = 16;
    private const int Rounds = 3;

    /// <summary>A number of threads has to be this much faster than a smaller one to be worth its cores.</summary>
    private const double WorthMore = 1.03;

    public static ThreadMeasurement Measure(string path, ModelOptions options, Action<string> progress, CancellationToken cancellation)
    {
        int cores = Environment.ProcessorCount;
        double[,] prompt = new double[cores + 1, Rounds], decode = new double[cores + 1, Rounds]; // tokens a second
        for (int threads = 1; threads <= cores; threads++)
        {
            using var model = LanguageModel.Load(path,
                options with { Threads = threads, DecodeThreads = threads, ContextLength = PromptTokens + DecodedTokens });
            using KvCache cache = model.CreateCache();
            int[] tokens = [.. Enumerable.Range(0, PromptTokens).Select(i => (int)(i * 2654435761L % model.Info.VocabularySize))];
            for (int round = -1; round < Rounds; round++)
            {
                progress($"threads: tries {threads} of {cores}");
                cache.Truncate(0);
                long start = Stopwatch.GetTimestamp();
                model.Forward(tokens, cache, cancellation);
                double promptRate = PromptTokens / Stopwatch.GetElapsedTime(start).TotalSeconds;
                start = Stopwatch.GetTimestamp();
                for (int i = 0; i < DecodedTokens; i++) model.Forward(tokens.AsSpan(i, 1), cache, cancellation);
                if (round < 0) continue;
                prompt[threads, round] = promptRate;
                decode[threads, round] = DecodedTokens / Stopwatch.GetElapsedTime(start).TotalSeconds;
            }
        }
        return Choose(prompt, decode);
    }

    /// <summary>The choice out of rates [threads, round]; row 0 is unused.</summary>
    internal static ThreadMeasurement Choose(double[,] prompt, double[,] decode)
    {
        var choice = new ThreadChoice(Fewest(Best(prompt)), Fewest(Best(decode)));
        return new ThreadMeasurement(choice, Math.Max(Spread(prompt, choice.Prompt), Spread(decode, choice.Decode)));
    }

    private static double[] Best(double[,] rates) =>
        [.. Enumerable.Range(0, rates.GetLength(0)).Select(threads => Row(rates, threads).Max())];

    private static double Spread(double[,] rates, int threads) => 1 - Row(rates, threads).Min() / Row(rates, threads).Max();

    private static IEnumerable<double> Row(double[,] rates, int row) =>
        Enumerable.Range(0, rates.GetLength(1)).Select(column => rates[row, column]);

    /// <summary>The smallest number of threads that none beats by much.</summary>
    internal static int Fewest(ReadOnlySpan<double> rates)
    {
        int best = 1;
        for (int threads = 2; threads < rates.Length; threads++)
        {
            if (rates[threads] > WorthMore * rates[best]) best = threads;
        }
        return best;
    }
}
