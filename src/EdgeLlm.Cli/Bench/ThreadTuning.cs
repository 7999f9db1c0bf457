using System.Diagnostics;
using EdgeLlm.Models;

namespace EdgeLlm.Cli.Bench;

/// <summary>Finds the numbers of threads that a model's prompts and decoding are fastest with: all from one to the cores, the best of three rounds each.</summary>
internal static class ThreadTuning
{
    private const int PromptTokens = 64;
    private const int DecodedTokens = 16;
    private const int Rounds = 3;

    /// <summary>A number of threads has to be this much faster than a smaller one to be worth its cores.</summary>
    private const double WorthMore = 1.03;

    public static ThreadChoice Measure(string path, ModelOptions options, Action<string> progress, CancellationToken cancellation)
    {
        int cores = Environment.ProcessorCount;
        double[] prompt = new double[cores + 1], decode = new double[cores + 1];
        for (int threads = 1; threads <= cores; threads++)
        {
            using var model = LanguageModel.Load(path, options with { Threads = threads, DecodeThreads = threads, ContextLength = PromptTokens + DecodedTokens });
            using KvCache cache = model.CreateCache();
            int[] tokens = [.. Enumerable.Range(0, PromptTokens).Select(i => (int)(i * 2654435761L % model.Info.VocabularySize))];
            for (int round = 0; round < Rounds; round++)
            {
                progress($"threads: tries {threads} of {cores}");
                cache.Truncate(0);
                long start = Stopwatch.GetTimestamp();
                model.Forward(tokens, cache, cancellation);
                prompt[threads] = Math.Max(prompt[threads], PromptTokens / Stopwatch.GetElapsedTime(start).TotalSeconds);
                start = Stopwatch.GetTimestamp();
                for (int i = 0; i < DecodedTokens; i++) model.Forward(tokens.AsSpan(i, 1), cache, cancellation);
                decode[threads] = Math.Max(decode[threads], DecodedTokens / Stopwatch.GetElapsedTime(start).TotalSeconds);
            }
        }
        return new ThreadChoice(Fewest(prompt), Fewest(decode));
    }

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
