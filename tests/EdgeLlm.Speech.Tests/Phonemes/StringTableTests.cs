using System.Text;
using EdgeLlm.Speech.Phonemes;

namespace EdgeLlm.Speech.Tests.Phonemes;

public sealed class StringTableTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(15)]
    [InlineData(16)]
    [InlineData(17)]
    [InlineData(1000)]
    public void Every_key_is_found_with_its_value_and_no_other_text_is(int count)
    {
        string[] keys = Keys(count);
        var table = new StringTable("test",
            StringTable.Write(keys.Select(static key => KeyValuePair.Create(key, Encoding.UTF8.GetBytes(key + "!")))));
        Assert.Equal(count, table.Count);
        var known = keys.ToHashSet();
        foreach (string key in keys)
        {
            Assert.Equal(key + "!", table.Find(key));
            foreach (string other in (string[])[key + "a", key[..^1], "", key + "\uFFFF", "\u0001" + key])
            {
                if (!known.Contains(other)) Assert.Null(table.Find(other));
            }
        }
        Assert.Equal(keys.Order(StringComparer.Ordinal), table.Entries().Select(static entry => entry.Key).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void A_damaged_table_is_an_error_or_answers_but_never_more()
    {
        string[] keys = Keys(200);
        byte[] bytes = StringTable.Write(keys.Select(static key => KeyValuePair.Create(key, Encoding.UTF8.GetBytes(key))));
        var random = new Random(3);
        for (int mutant = 0; mutant < 5000; mutant++)
        {
            byte[] damaged = [.. bytes];
            for (int change = random.Next(1, 6); change > 0; change--) damaged[random.Next(damaged.Length)] = (byte)random.Next(256);
            if (random.Next(4) == 0) Array.Resize(ref damaged, random.Next(damaged.Length));
            try
            {
                var table = new StringTable("test", damaged);
                for (int i = 0; i < keys.Length; i += 7) table.Find(keys[i]);
                foreach (var _ in table.Entries().Take(1000))
                {
                }
            }
            catch (InvalidDataException exception)
            {
                Assert.Contains("'test' is damaged", exception.Message, StringComparison.Ordinal);
            }
        }
    }

    private static string[] Keys(int count)
    {
        var random = new Random(count);
        var keys = new HashSet<string>();
        while (keys.Count < count) keys.Add(string.Concat(Enumerable.Range(0, random.Next(1, 9)).Select(_ => "abcdeéŁˈ日"[random.Next(9)])));
        return [.. keys];
    }
}
