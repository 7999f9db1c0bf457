using EdgeLlm.Sampling.Constraints;

namespace EdgeLlm.Tests.Sampling.Constraints;

public class GrammarConstraintTests
{
    private static string Folder =>
        Path.Combine(SharedFolder.RepositoryRoot, "tests", "EdgeLlm.Tests", "Sampling", "Constraints", "Data", "gbnf");

    [Theory]
    [InlineData("a|bc", "a`bc", "b`abc`")]
    [InlineData("^\\d{2,3}$", "12`123", "1`1234")]
    [InlineData("(?i)hello", "HELLO`hElLo", "hell")]
    [InlineData("[^a-c]é?", "x`dé`é", "a`aé")]
    [InlineData("(?:ab)*c+?", "c`ababcc", "ab`abab")]
    [InlineData("\\p{Lu}\\p{Ll}+", "Ab`Éé", "ab`AB")]
    [InlineData("a.c", "abc`a😀c", "a\nc`ac")]
    [InlineData("\\u{1F600}|\\ud83d\\ude01|\\x41", "😀`😁`A", "B")]
    [InlineData("x{0}y", "y", "xy")]
    [InlineData("a{2", "a{2", "aa")]
    public void A_regular_expression_matches_whole_texts(string pattern, string valid, string invalid)
    {
        var constraint = OutputConstraint.Regex(pattern);
        foreach (string text in valid.Split('`')) Assert.True(constraint.Accepts(text), $"{pattern} refuses {text}");
        foreach (string text in invalid.Split('`')) Assert.False(constraint.Accepts(text), $"{pattern} accepts {text}");
    }

    [Theory]
    [InlineData("(a", "a ( has no )")]
    [InlineData("a)", "there is a ) without its (")]
    [InlineData("a\\1", "back references are not supported")]
    [InlineData("\\bword", "word boundaries")]
    [InlineData("(?!x)", "look-around")]
    [InlineData("[b-a]", "the wrong way round")]
    [InlineData("a{3,2}", "the wrong way round")]
    [InlineData("*a", "there is nothing that * could repeat")]
    [InlineData(".*a.{40}", "too complex")]
    public void A_pattern_that_is_wrong_or_not_regular_is_refused(string pattern, string message) =>
        Assert.Contains(message, Assert.Throws<ConstraintException>(() => OutputConstraint.Regex(pattern)).Message,
            StringComparison.Ordinal);

    [Theory]
    [InlineData("root ::= \"a\" b* # comment\nb ::= [0-9] | \"x\" root \"y\"", "a`a12`axa1y2", "a1x`b")]
    [InlineData("root ::= (\n \"a\"\n | \"b\"\n){2,3}", "ab`bbb", "a`aaaa")]
    [InlineData("root ::= expr\nexpr ::= expr \"+\" term | term\nterm ::= [0-9]+", "1`1+2+33", "+`1+`1++2")]
    [InlineData("root ::= \"\\x41\\u00e9\\n\\\"\" .", "Aé\n\"x", "Aé\n\"")]
    [InlineData("root ::= [^\\]\\-a-c]", "x`é", "]`-`b")]
    [InlineData("root ::= s\ns ::= \"(\" s \")\" s |", "`()`(())()", "(`)(")]
    [InlineData("root ::= a a\na ::= \"x\"? b?\nb ::= \"y\" a", "`x`xyx`yyy", "z")]
    public void A_grammar_of_llamacpp_is_read(string grammar, string valid, string invalid)
    {
        var constraint = OutputConstraint.Gbnf(grammar);
        foreach (string text in valid.Split('`')) Assert.True(constraint.Accepts(text), $"{grammar} refuses {text}");
        foreach (string text in invalid.Split('`')) Assert.False(constraint.Accepts(text), $"{grammar} accepts {text}");
    }

    [Theory]
    [InlineData("x ::= \"a\"", "no rule 'root'")]
    [InlineData("root ::= b", "no rule 'b'")]
    [InlineData("root ::= \"a", "line 1: a text has no closing quote")]
    [InlineData("root ::= \"a\"\nroot ::= \"b\"", "line 2: the rule 'root' is there twice")]
    [InlineData("root ::= a\na ::= b \"x\"\nb ::= a \"y\" | \"z\"", "left recursion")]
    [InlineData("root ::= root \"a\"", "no text at all satisfies it")]
    [InlineData("root ::= <think>", "tokens (<...>) are not supported")]
    public void A_grammar_that_is_wrong_is_refused(string grammar, string message) =>
        Assert.Contains(message, Assert.Throws<ConstraintException>(() => OutputConstraint.Gbnf(grammar)).Message,
            StringComparison.Ordinal);

    [Theory]
    [InlineData("start: \"a\" B+ [c] // comment\nB: /[0-9]/\nc: \"x\"i | \"y\"..\"z\"", "a1`a12X`a1z", "a`a1xx")]
    [InlineData("%import common.INT\n%import common.WS\n%ignore WS\nstart: sum\n?sum: sum \"+\" INT -> add\n    | INT",
        "1`1 + 2 +3`1 ", "+`1+")]
    [InlineData("start: (A | \"b\" ~ 2..3)~2\nA.2: \"a\"", "aa`abb`bbbbbb", "a`ab")]
    public void A_grammar_of_Lark_is_read(string grammar, string valid, string invalid)
    {
        var constraint = OutputConstraint.Lark(grammar);
        foreach (string text in valid.Split('`')) Assert.True(constraint.Accepts(text), $"{grammar} refuses {text}");
        foreach (string text in invalid.Split('`')) Assert.False(constraint.Accepts(text), $"{grammar} accepts {text}");
    }

    [Theory]
    [InlineData("json.gbnf", "{\"a\": [1, -2.5e1, {\"b\": \"\\u00e9\"}], \"c\": null}", "[1]")]
    [InlineData("json_arr.gbnf", "[\n1,\n{\"a\":true}]", "{}")]
    [InlineData("arithmetic.gbnf", "a +2 *(b)= 3\n", "a = \n")]
    [InlineData("chess.gbnf", "1. e4 e5\n2. Nf3 O-O\n", "1. e4\n")]
    [InlineData("c.gbnf", "int main(){return x+1;}", "int main({}")]
    [InlineData("english.gbnf", "Hello, world!", "é")]
    [InlineData("japanese.gbnf", "こんにちは", "hello")]
    [InlineData("list.gbnf", "- one\n- two\n", "one\n")]
    public void The_grammars_of_llamacpp_compile_and_random_tokens_make_texts_of_them(string file, string valid, string invalid)
    {
        var constraint = OutputConstraint.Gbnf(File.ReadAllText(Path.Combine(Folder, file)));
        if (file != "c.gbnf") Assert.True(constraint.Accepts(valid), valid);
        Assert.False(constraint.Accepts(invalid), invalid);
        var random = new Random(3);
        var checker = new GbnfChecker(File.ReadAllText(Path.Combine(Folder, file)));
        Assert.False(checker.Accepts(invalid), invalid);
        for (int i = 0; i < 20; i++)
        {
            (string text, _, _) = SmallVocabulary.Answer(constraint, random, constraint.ShortestBytes + random.Next(100));
            Assert.True(constraint.Accepts(text), text);
            Assert.True(checker.Accepts(text), $"a checker written apart refuses {text}");
        }
    }

    /// <summary>Texts that llama.cpp makes of its own grammars: one each, or with EDGELLM_PEERS=1 ten.</summary>
    [Theory]
    [InlineData("arithmetic.gbnf")]
    [InlineData("chess.gbnf")]
    [InlineData("json.gbnf")]
    [InlineData("list.gbnf")]
    [InlineData("json_arr.gbnf")]
    public void What_llamacpp_makes_of_a_grammar_is_accepted(string file)
    {
        string program = SharedFolder.Require("peers", "llamacpp"),
            model = SharedFolder.Require("models", "SmolLM2-135M-Instruct.Q4_1.gguf");
        int answers = Environment.GetEnvironmentVariable("EDGELLM_PEERS") == "1" ? 10 : 1;
        string grammar = Path.Combine(Folder, file);
        var constraint = OutputConstraint.Gbnf(File.ReadAllText(grammar));
        for (int seed = 1; seed <= answers; seed++)
        {
            var start = new System.Diagnostics.ProcessStartInfo(program,
                ["llama-completion", "-m", model, "--grammar-file", grammar, "-p", "An answer:", "-n", "60", "--seed", $"{seed}", "--temp",
                    "1.2", "--no-display-prompt", "-no-cnv", "-c", "512"])
            {
                RedirectStandardOutput = true,
                RedirectStandardError = true,
                RedirectStandardInput = true,
            };
            using var process = System.Diagnostics.Process.Start(start)!;
            process.StandardInput.Close();
            process.ErrorDataReceived += (_, _) => { };
            process.BeginErrorReadLine();
            string text = process.StandardOutput.ReadToEnd();
            process.WaitForExit();
            bool isWhole = text.Contains("[end of text]", StringComparison.Ordinal);
            text = text.Split(" [end of text]")[0];
            byte[] bytes = System.Text.Encoding.UTF8.GetBytes(text);
            Assert.True(isWhole ? constraint.Accepts(bytes) : constraint.DistanceAfter(bytes) >= 0
                || constraint.DistanceAfter(bytes.AsSpan().TrimEnd((byte)'\n')) >= 0, $"{file}, seed {seed}: {text}");
        }
    }

    [Fact]
    public void Random_mutants_of_grammars_and_patterns_are_read_or_refused_in_one_line()
    {
        var random = new Random(11);
        string[] sources = [.. Directory.EnumerateFiles(Folder, "*.gbnf").Order(StringComparer.Ordinal).Select(File.ReadAllText)];
        for (int i = 0; i < 600; i++)
        {
            char[] text = random.GetItems(sources, 1)[0].ToCharArray();
            for (int change = 0; change < 3; change++) text[random.Next(text.Length)] = "()[]{}|*+?\"\\ :=ab0\n"[random.Next(19)];
            try
            {
                var constraint = OutputConstraint.Gbnf(new string(text));
                if (constraint.ShortestBytes < 500) SmallVocabulary.Answer(constraint, random, constraint.ShortestBytes + 5);
            }
            catch (ConstraintException exception)
            {
                Assert.DoesNotContain('\n', exception.Message);
            }
        }
    }
}
