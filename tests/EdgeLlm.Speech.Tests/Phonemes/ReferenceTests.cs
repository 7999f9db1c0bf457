using System.Text.Json;
using EdgeLlm.Speech.Phonemes;
using EdgeLlm.Tests;

namespace EdgeLlm.Speech.Tests.Phonemes;

/// <summary>The phonemes of the reference front end, text by text.</summary>
public sealed class ReferenceTests(VoiceFolder voice, ITestOutputHelper output) : IClassFixture<VoiceFolder>
{
    [Fact]
    public void Texts_have_the_phonemes_of_the_reference()
    {
        int different = 0, count = 0;
        foreach (string line in File.ReadLines(SharedFolder.Require("golden", "tts", "g2p.jsonl")))
        {
            using var json = JsonDocument.Parse(line);
            JsonElement root = json.RootElement;
            string text = root.GetProperty("text").GetString()!;
            JsonElement[] sentences = [.. root.GetProperty("sentences").EnumerateArray()];
            SpokenSentence[] ours = [.. voice.Phonemizer.Read(text)];
            string expected = string.Join(' ', sentences.Select(sentence => sentence.GetProperty("phonemes").GetString()));
            count++;
            if (expected == string.Join(' ', ours.Select(sentence => sentence.Phonemes))) continue;
            different++;
            output.WriteLine($"TEXT {text}");
            for (int i = 0; i < Math.Max(sentences.Length, ours.Length); i++)
            {
                string? theirs = i < sentences.Length ? sentences[i].GetProperty("phonemes").GetString() : "", mine = i < ours.Length ? ours[i].Phonemes : "";
                if (theirs == mine) continue;
                string normalized = i < sentences.Length ? sentences[i].GetProperty("normalized").GetString()! : "";
                if (i < ours.Length && normalized != ours[i].Normalized) output.WriteLine($"  n- {normalized}\n  n+ {ours[i].Normalized}");
                if (i < sentences.Length && i < ours.Length)
                {
                    string tokens = string.Join(" ", sentences[i].GetProperty("tokens").EnumerateArray().Select(token => $"{token[0]}/{token[1]}{token[2]}"));
                    string mineTokens = string.Join(" ", ours[i].Tokens.Select(token => $"{token.Text}/{token.Tag}{(token.Space ? " " : "")}"));
                    if (tokens != mineTokens) output.WriteLine($"  t- {tokens}\n  t+ {mineTokens}");
                }
                output.WriteLine($"  p- {theirs}\n  p+ {mine}");
            }
        }
        output.WriteLine($"{different} of {count} differ");
        Assert.InRange(different, 0, 10);
    }

    [Fact]
    public void Unknown_words_have_the_phonemes_of_the_reference_net()
    {
        List<string> wrong = [];
        foreach (string line in File.ReadLines(SharedFolder.Require("golden", "tts", "oov.tsv")))
        {
            string[] fields = line.Split('\t');
            string ours = voice.Phonemizer.ReadUnknown(fields[0]);
            if (ours != fields[1]) wrong.Add($"{fields[0]} {fields[1]} {ours}");
        }
        Assert.All(wrong, word => Assert.True(word.Split(' ')[0].Length > 24, word));
        Assert.Equal(2, wrong.Count);
    }
}
