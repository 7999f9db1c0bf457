using System.Text;
using static EdgeLlm.Quantization.Report.ReportHtml;

namespace EdgeLlm.Quantization.Report;

/// <summary>The report's plots as SVG.</summary>
internal static class SvgPlots
{
    private const int Width = 920;
    private const int Height = 320;
    private const int Left = 60;
    private const int Right = 150; // the legend's
    private const int Top = 14;
    private const int Bottom = 34;

    private static readonly string[] Colours =
        ["#2563eb", "#dc2626", "#059669", "#d97706", "#7c3aed", "#0891b2", "#be185d", "#65a30d", "#64748b"];

    /// <summary>A line for each series, from zero up.</summary>
    public static string Lines((string Name, (double X, double Y)[] Points)[] series, string across, string unit)
    {
        double mostX = Math.Max(1, series.Max(line => line.Points.Max(point => point.X))),
            mostY = series.Max(line => line.Points.Max(point => point.Y));
        var plot = Begin(Height);
        double step = Step(mostY), top = Math.Max(step, Math.Ceiling(mostY / step) * step);
        for (double y = 0; y <= top * 1.001; y += step) HorizontalAxis(plot, Y(y / top), Text($"{y:0.###} {unit}"));
        double stepX = Math.Max(1, Step(mostX));
        for (double x = 0; x <= mostX; x += stepX)
            plot.Append(Text($"<text class=\"soft\" x=\"{X(x / mostX):F1}\" y=\"{Height - 18}\" text-anchor=\"middle\">{x:0}</text>"));
        plot.Append(
            Text(
                $"<text class=\"soft\" x=\"{(Left + Width - Right) / 2}\" y=\"{Height - 4}\" text-anchor=\"middle\">{Escape(across)}</text>"));
        for (int i = 0; i < series.Length; i++)
        {
            string colour = Colours[i % Colours.Length],
                points = string.Join(' ',
                    series[i].Points.OrderBy(point => point.X).Select(point => Text($"{X(point.X / mostX):F1},{Y(point.Y / top):F1}")));
            plot.Append(
                Text(
                    $"<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.8\" stroke-linejoin=\"round\" points=\"{points}\"><title>{Escape(series[i].Name)}</title></polyline>"));
            foreach ((double x, double y) in series[i].Points)
                plot.Append(
                    Text(
                        $"<circle cx=\"{X(x / mostX):F1}\" cy=\"{Y(y / top):F1}\" r=\"2.4\" fill=\"{colour}\"><title>{Escape(series[i].Name)}, {Escape(across)} {x:0}: {y:0.00} {unit}</title></circle>"));
            int at = Top + 12 + 18 * i;
            plot.Append(
                Text(
                    $"<rect x=\"{Width - Right + 20}\" y=\"{at - 8}\" width=\"12\" height=\"4\" fill=\"{colour}\"/><text x=\"{Width - Right + 38}\" y=\"{at}\">{Escape(series[i].Name)}</text>"));
        }
        return End(plot);
    }

    /// <summary>A cell for each tensor: kinds down, layers across; those outside of layers in front.</summary>
    public static string Grid(TensorReport[] tensors)
    {
        const int Cell = 20, Name = 120;
        string[] kinds = [.. tensors.Where(tensor => tensor.Layer is not null).Select(tensor => tensor.Kind).Distinct()];
        TensorReport[] others = [.. tensors.Where(tensor => tensor.Layer is null)];
        int layers = tensors.Max(tensor => tensor.Layer ?? -1) + 1, rows = kinds.Length + others.Length;
        double cell = layers == 0 ? 3 * Cell : Math.Min(3 * Cell, (Width - Name - 10.0) / layers),
            least = tensors.Min(tensor => tensor.BitsPerWeight), most = tensors.Max(tensor => tensor.BitsPerWeight);
        var plot = Begin(rows * (Cell + 2) + 24);
        for (int row = 0; row < rows; row++)
        {
            int y = row * (Cell + 2);
            IEnumerable<TensorReport> line = row < others.Length ? [others[row]]
                : tensors.Where(tensor => tensor.Layer is not null && tensor.Kind == kinds[row - others.Length]);
            plot.Append(
                Text(
                    $"<text x=\"{Name - 8}\" y=\"{y + 14}\" text-anchor=\"end\">{Escape(row < others.Length ? others[row].Kind : kinds[row - others.Length])}</text>"));
            foreach (TensorReport tensor in line)
            {
                double x = Name + (tensor.Layer ?? 0) * cell, width = tensor.Layer is null ? Math.Max(cell, 60) : cell,
                    share = most > least ? (tensor.BitsPerWeight - least) / (most - least) : 0;
                plot.Append(
                    Text(
                        $"<rect x=\"{x:F1}\" y=\"{y}\" width=\"{width - 1:F1}\" height=\"{Cell}\" rx=\"2\" fill=\"hsl(217 {45 + 30 * share:F0}% {82 - 46 * share:F0}%)\"><title>{Escape(tensor.Name)}: {tensor.To}, {tensor.BitsPerWeight:F2} bits</title></rect>"));
                if (width >= 24)
                    plot.Append(
                        Text(
                            $"<text x=\"{x + width / 2:F1}\" y=\"{y + 14}\" text-anchor=\"middle\" font-size=\"9\" style=\"fill:{(share > 0.55 ? "#fff" : "#111")}\">{tensor.BitsPerWeight:0.0#}</text>"));
            }
        }
        for (int layer = 0; layer < layers; layer += layers > 40 ? 10 : 5)
            plot.Append(
                Text(
                    $"<text class=\"soft\" x=\"{Name + (layer + 0.5) * cell:F1}\" y=\"{rows * (Cell + 2) + 14}\" text-anchor=\"middle\">{layer}</text>"));
        return End(plot);
    }

    /// <summary>Sizes across, what they cost in quality up, both on logarithmic scales; this file's own mark is filled.</summary>
    /// <param name="points">Values above zero.</param>
    /// <param name="own">Left out where it is zero.</param>
    public static string Scatter((string Name, long Bytes, double Value)[] points, (long Bytes, double Value) own, string unit)
    {
        double[] sizes = [.. points.Select(point => point.Bytes / 1e6), own.Bytes / 1e6],
            values = [.. points.Select(point => point.Value), .. own.Value > 0 ? [own.Value] : Array.Empty<double>()];
        if (values.Length == 0) return "";
        double leastSize = Math.Log(sizes.Min() * 0.95), mostSize = Math.Log(sizes.Max() * 1.05), least = Math.Log10(values.Min() / 1.5),
            most = Math.Log10(values.Max() * 1.5);
        var plot = Begin(Height);
        for (int power = (int)Math.Floor(least); power <= most; power++)
        {
            foreach (int digit in most - least > 3 ? new[] { 1 } : [1, 2, 5])
            {
                double value = digit * Math.Pow(10, power);
                if (Math.Log10(value) >= least && Math.Log10(value) <= most)
                    HorizontalAxis(plot, UpOf(value), Text($"{value:0.######} {unit}").TrimEnd());
            }
        }
        double step = Step(sizes.Max() - sizes.Min());
        for (double size = Math.Ceiling(sizes.Min() / step) * step; size <= sizes.Max(); size += step)
            plot.Append(
                Text($"<text class=\"soft\" x=\"{AcrossOf(size):F1}\" y=\"{Height - 18}\" text-anchor=\"middle\">{size:0.##}</text>"));
        plot.Append(Text($"<text class=\"soft\" x=\"{(Left + Width - Right) / 2}\" y=\"{Height - 4}\" text-anchor=\"middle\">MB</text>"));
        (string Name, double X, double Y, bool IsOwn)[] marks =
        [
            .. own.Value > 0 ? [("this file", AcrossOf(own.Bytes / 1e6), UpOf(own.Value), true)]
                : Array.Empty<(string, double, double, bool)>(),
            .. points.OrderBy(point => point.Bytes).Select(point => (point.Name, AcrossOf(point.Bytes / 1e6), UpOf(point.Value), false)),
        ];
        List<Box> taken = [.. marks.Select(mark => new Box(mark.X - 6, mark.Y - 6, mark.X + 6, mark.Y + 6))];
        foreach ((string name, double x, double y, bool isOwn) in marks)
        {
            Box label = Place(name, x, y, taken);
            if (Math.Abs(label.Top + 6 - y) > 1)
                plot.Append(
                    Text(
                        $"<line class=\"axis\" x1=\"{x:F1}\" y1=\"{y:F1}\" x2=\"{(label.Left > x ? label.Left - 2 : label.Right + 2):F1}\" y2=\"{label.Top + 6:F1}\"/>"));
            plot.Append(isOwn
                ? Text($"<circle class=\"mark\" cx=\"{x:F1}\" cy=\"{y:F1}\" r=\"5.5\"/>")
                : Text($"<circle cx=\"{x:F1}\" cy=\"{y:F1}\" r=\"4.5\" fill=\"none\" stroke=\"{Colours[0]}\" stroke-width=\"1.8\"/>"));
            plot.Append(
                Text(
                    $"<text x=\"{label.Left:F1}\" y=\"{label.Top + 10:F1}\"{(isOwn ? " font-weight=\"600\"" : "")}>{Escape(name)}</text>"));
        }
        return End(plot);

        double AcrossOf(double size) => X((Math.Log(size) - leastSize) / (mostSize - leastSize));
        double UpOf(double value) => Y((Math.Log10(value) - least) / (most - least));
    }

    /// <summary>
    /// Where a point's name goes so that it covers nothing: beside the point, else as near above or below as there is room.
    /// </summary>
    private static Box Place(string name, double x, double y, List<Box> taken)
    {
        double width = 6.2 * name.Length; // about, at 11 pixels
        for (int step = 0; ; step = step > 0 ? -step : 1 - step)
        {
            foreach (double left in new[] { x + 9, x - 9 - width })
            {
                var box = new Box(left, y - 6 + 12 * step, left + width, y + 6 + 12 * step);
                if (left < Left || taken.Any(box.Overlaps)) continue;
                taken.Add(box);
                return box;
            }
        }
    }

    private static StringBuilder Begin(int height) =>
        new StringBuilder().Append(Text($"<div class=\"scroll\"><svg viewBox=\"0 0 {Width} {height}\" role=\"img\">"));

    private static string End(StringBuilder plot) => plot.Append("</svg></div>").ToString();

    private static void HorizontalAxis(StringBuilder plot, double y, string label) =>
        plot.Append(
            Text(
                $"<line class=\"axis\" x1=\"{Left}\" x2=\"{Width - Right}\" y1=\"{y:F1}\" y2=\"{y:F1}\"/><text class=\"soft\" x=\"{Left - 6}\" y=\"{y + 4:F1}\" text-anchor=\"end\">{Escape(label)}</text>"));

    private static double X(double share) => Left + 8 + share * (Width - Right - Left - 16);

    private static double Y(double share) => Height - Bottom - share * (Height - Bottom - Top);

    /// <summary>1, 2 or 5 times a power of ten that makes four to ten steps of a range.</summary>
    private static double Step(double range)
    {
        if (!(range > 0)) return 1;
        double power = Math.Pow(10, Math.Floor(Math.Log10(range))), share = range / power;
        return share < 2 ? power / 5 : share < 5 ? power / 2 : power;
    }

    private readonly record struct Box(double Left, double Top, double Right, double Bottom)
    {
        public bool Overlaps(Box other) => Left < other.Right && other.Left < Right && Top < other.Bottom && other.Top < Bottom;
    }
}
