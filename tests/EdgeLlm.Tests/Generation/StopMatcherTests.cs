using EdgeLlm.Generation;

namespace EdgeLlm.Tests.Generation;

public sealed class StopMatcherTests
{
    [Theory]
    [InlineData("hello STOP there", "hello ", true)]
    [InlineData("no end", "no end", false)]
    [InlineData("almost STO", "almost STO", false)]
    [InlineData("SSTOP", "S", true)]
    [InlineData("a STO STOP b", "a STO ", true)]
    [InlineData("two\n\nlines", "two", true)]
    [InlineData("one\nline", "one\nline", false)]
    public void Text_comes_through_up_to_the_first_stop_string_however_it_is_cut(string text, string expected, bool expectedStop)
    {
        for (int size = 1; size <= text.Length; size++)
        {
            var matcher = new StopMatcher(["STOP", "\n\n"]);
            string actual = "";
            bool stopped = false;
            for (int start = 0; start < text.Length && !stopped; start += size)
                actual += matcher.Append(text.AsSpan(start, Math.Min(size, text.Length - start)), out stopped).ToString();
            if (!stopped) actual += matcher.Flush().ToString();
            Assert.Equal((expected, expectedStop), (actual, stopped));
        }
    }

    [Fact]
    public void What_can_not_become_a_stop_string_is_not_held_back()
    {
        var matcher = new StopMatcher(["###"]);
        Assert.Equal("a", matcher.Append("a#", out _).ToString());
        Assert.Equal("#b", matcher.Append("b", out _).ToString());
    }
}
