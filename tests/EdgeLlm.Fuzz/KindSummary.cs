using System.Globalization;

namespace EdgeLlm.Fuzz;

/// <summary>What came of the cases of one kind.</summary>
internal sealed class KindSummary
{
    /// <summary>
    /// Bounds of a refusal: CPU time at the 99th percentile and at worst, bytes allocated beside four times the mutant's.
    /// </summary>
    private const long UsualMicroseconds = 100_000, MostMicroseconds = 1_000_000, FixedBytes = 64L << 20;

    private readonly List<int> _refusalMicroseconds = [];
    private long _accepted;
    private (long Value, long Seed) _mostCpu, _mostAllocated;

    public long Cases { get; private set; }

    /// <summary>Refusals by their reason.</summary>
    public Dictionary<string, int> Reasons { get; } = [];

    /// <summary>Counts a case.</summary>
    /// <returns>Null, or what is wrong with it.</returns>
    public string? Add(CaseReport report)
    {
        Cases++;
        if (report.Outcome == Outcome.Wrong) return report.Reason;
        if (report.Outcome == Outcome.Accepted)
        {
            _accepted++;
            return null;
        }
        Reasons[report.Reason] = Reasons.GetValueOrDefault(report.Reason) + 1;
        if (!report.IsBounded) return null;
        _refusalMicroseconds.Add((int)Math.Min(report.CpuMicroseconds, int.MaxValue));
        if (report.CpuMicroseconds > _mostCpu.Value) _mostCpu = (report.CpuMicroseconds, report.Seed);
        if (report.Allocated > _mostAllocated.Value) _mostAllocated = (report.Allocated, report.Seed);
        if (report.CpuMicroseconds > MostMicroseconds)
            return $"the refusal ({report.Reason}) took {report.CpuMicroseconds / 1000} ms of CPU time";
        if (report.Allocated > FixedBytes + 4 * report.InputBytes)
            return $"the refusal ({report.Reason}) of {report.InputBytes} bytes allocated {report.Allocated >> 20} MB";
        return null;
    }

    /// <summary>What is wrong with all of them together, or null.</summary>
    public string? Problem() =>
        Percentile() > UsualMicroseconds ? $"the 99th percentile of refusals takes {Percentile() / 1000} ms of CPU time" : null;

    public static string Header =>
        $"{"kind",-14}{"cases",9}{"accepted",10}{"refusals: p99",16}{"max ms (seed)",20}{"max MB (seed)",20}   of";

    public string Row(string name)
    {
        string reasons =
            string.Join(", ", Reasons.OrderByDescending(pair => pair.Value).Take(6).Select(pair => $"{pair.Key} {pair.Value}"));
        return string.Create(CultureInfo.InvariantCulture,
            $"{name,-14}{Cases,9}{(Cases == 0 ? 0 : 100.0 * _accepted / Cases),8:F1} %{Percentile() / 1000.0,13:F2} ms{$"{_mostCpu.Value / 1000.0:F1} ({_mostCpu.Seed})",20}{$"{_mostAllocated.Value / 1048576.0:F1} ({_mostAllocated.Seed})",20}   {reasons}");
    }

    private int Percentile()
    {
        if (_refusalMicroseconds.Count == 0) return 0;
        _refusalMicroseconds.Sort();
        return _refusalMicroseconds[(int)(_refusalMicroseconds.Count * 0.99)];
    }
}
