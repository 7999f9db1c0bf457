using EdgeLlm.Models;
using EdgeLlm.Models.Folders;
using EdgeLlm.Models.Licences;

namespace EdgeLlm.Tests.Models.Licences;

/// <summary>Licences as models' files spell them, and what a machine's policy says of them.</summary>
public sealed class LicencePolicyTests
{
    /// <summary>Spelling, name of an `other`, SPDX name ("": not known), commercial use.</summary>
    public static TheoryData<string, string, string, string> Spellings() => new()
    {
        { "apache-2.0", "", "Apache-2.0", "Allowed" }, { "Apache-2.0", "", "Apache-2.0", "Allowed" },
        { "Apache 2.0", "", "Apache-2.0", "Allowed" }, { "apache license 2.0", "", "Apache-2.0", "Allowed" },
        { "APACHE_2.0", "", "Apache-2.0", "Allowed" }, { "mit", "", "MIT", "Allowed" }, { "MIT License", "", "MIT", "Allowed" },
        { "bsd-3-clause", "", "BSD-3-Clause", "Allowed" }, { "bsd", "", "BSD-3-Clause", "Allowed" },
        { "isc", "", "ISC", "Allowed" }, { "cc0-1.0", "", "CC0-1.0", "Allowed" }, { "cc-by-4.0", "", "CC-BY-4.0", "Allowed" },
        { "CC BY 4.0", "", "CC-BY-4.0", "Allowed" }, { "cc-by-sa-4.0", "", "CC-BY-SA-4.0", "Allowed" },
        { "cc-by-nc-4.0", "", "CC-BY-NC-4.0", "Forbidden" }, { "CC-BY-NC 4.0", "", "CC-BY-NC-4.0", "Forbidden" },
        { "cc-by-nc-sa-4.0", "", "CC-BY-NC-SA-4.0", "Forbidden" }, { "gpl-3.0", "", "GPL-3.0-only", "Allowed" },
        { "GPL-3.0-or-later", "", "GPL-3.0-or-later", "Allowed" }, { "agpl-3.0", "", "AGPL-3.0-only", "Allowed" },
        { "lgpl-3.0", "", "LGPL-3.0-only", "Allowed" }, { "mpl-2.0", "", "MPL-2.0", "Allowed" },
        { "llama2", "", "LicenseRef-llama2", "WithConditions" }, { "llama3.2", "", "LicenseRef-llama3.2", "WithConditions" },
        { "LicenseRef-llama3.2", "", "LicenseRef-llama3.2", "WithConditions" },
        { "gemma", "", "LicenseRef-gemma", "WithConditions" }, { "openrail", "", "LicenseRef-openrail", "WithConditions" },
        { "other", "tongyi-qianwen", "LicenseRef-tongyi-qianwen", "WithConditions" },
        { "other", "gemma-terms-of-use", "LicenseRef-gemma", "WithConditions" },
        { "other", "qwen-research", "LicenseRef-qwen-research", "Forbidden" },
        { "other", "My own terms", "LicenseRef-My-own-terms", "NotStated" },
        { "mit, apache-2.0", "", "MIT AND Apache-2.0", "Allowed" }, { "MIT OR GPL-3.0-only", "", "MIT OR GPL-3.0-only", "Allowed" },
        { "[mit, cc-by-nc-4.0]", "", "MIT AND CC-BY-NC-4.0", "Forbidden" },
        { "other", "", "", "NotStated" }, { "unknown", "", "", "NotStated" }, { "", "", "", "NotStated" },
        { "see LICENSE", "", "", "NotStated" }, { "none", "", "", "NotStated" }, { "apache-3.0", "", "", "NotStated" },
    };

    [Theory]
    [MemberData(nameof(Spellings))]
    public void A_spelling_has_its_name_and_policies_obey_it(string spelling, string name, string id, string use)
    {
        var licence = Licence.Of(spelling, name);
        Assert.Equal(id, string.Join(" AND ", licence.Ids));
        Assert.Equal(use, licence.Use.ToString());
        using var folder = new TestFolder();
        string allowing = Write("allow.json",
            $$"""{"licences": {"allow": [{{string.Join(", ", licence.Ids.Select(one => $"\"{one.Split(" OR ")[0]}\""))}}]}, "unknown": "allow"}""");
        string refusing = Write("refuse.json", """{"licences": {"allow": ["WTFPL"]}, "unknown": "refuse"}"""),
            unknown = Write("unknown.json", """{"unknown": "refuse"}""");
        Assert.Null(Refusal(allowing));
        Assert.Contains($"is not allowed by {refusing}", Refusal(refusing), StringComparison.Ordinal);
        if (id.Length == 0) Assert.Contains("(unknown: refuse)", Refusal(unknown), StringComparison.Ordinal);
        else Assert.Null(Refusal(unknown));
        if (id.Length > 0 && name.Length == 0) Assert.Contains(licence.Ids[0], Refusal(refusing), StringComparison.Ordinal);

        string? Refusal(string policy)
        {
            LicencePolicy.PathOfTest = policy;
            try
            {
                LicencePolicy.Require("model.gguf", licence);
                return null;
            }
            catch (ModelException exception)
            {
                Assert.True(LicenceRefusal.Is(exception));
                return exception.Message;
            }
            finally
            {
                LicencePolicy.PathOfTest = null;
            }
        }

        string Write(string file, string json)
        {
            File.WriteAllText(folder.PathOf(file), json);
            return folder.PathOf(file);
        }
    }

    [Theory]
    [InlineData("""{"licences": {"allow": "MIT"}}""", "licences.allow is no list"),
        InlineData("""{"licences": {"deny": []}}""", "licences.deny is not known here"),
        InlineData("""{"unknown": "ask"}""", "unknown is neither refuse nor allow"),
     InlineData("""{"license": {}}""", "license is not known here"), InlineData("[]", "is no JSON object")]
    public void A_policy_that_is_not_understood_allows_nothing(string json, string problem)
    {
        using var folder = new TestFolder();
        File.WriteAllText(folder.PathOf("policy.json"), json);
        LicencePolicy.PathOfTest = folder.PathOf("policy.json");
        try
        {
            Assert.Contains(problem, Assert.Throws<ModelException>(() => LicencePolicy.Require("model.gguf", Licence.Of("mit"))).Message,
                StringComparison.Ordinal);
        }
        finally
        {
            LicencePolicy.PathOfTest = null;
        }
    }

    [Theory]
    [InlineData(true), InlineData(false)]
    public void A_policy_that_is_no_file_allows_nothing(bool isFolder)
    {
        using var folder = new TestFolder();
        string path = folder.PathOf("policy.json");
        if (isFolder) Directory.CreateDirectory(path);
        else File.CreateSymbolicLink(path, folder.PathOf("not-there.json"));
        LicencePolicy.PathOfTest = path;
        try
        {
            Assert.Contains(path, Assert.ThrowsAny<Exception>(() => LicencePolicy.Require("model.gguf", Licence.Of("mit"))).Message,
                StringComparison.Ordinal);
        }
        finally
        {
            LicencePolicy.PathOfTest = null;
        }
    }

    [Fact]
    public void Models_and_adapters_are_refused_when_they_are_opened()
    {
        string adapter = SharedFolder.Require("golden", "adapters", "qv-r4"),
            path = SharedFolder.Require("golden", "logits", "llama", "model.gguf");
        using var folder = new TestFolder();
        File.WriteAllText(folder.PathOf("policy.json"), """{"unknown": "refuse"}""");
        using LanguageModel model = LanguageModel.Load(path);
        LicencePolicy.PathOfTest = folder.PathOf("policy.json");
        try
        {
            Assert.Contains("its licence (not stated) is not allowed by",
                Assert.Throws<ModelException>(() => LanguageModel.Load(path)).Message, StringComparison.Ordinal);
            Assert.Contains("its licence (not stated) is not allowed by",
                Assert.Throws<ModelException>(() => model.OpenAdapter(adapter)).Message, StringComparison.Ordinal);
        }
        finally
        {
            LicencePolicy.PathOfTest = null;
        }
    }

    [Fact]
    public void A_card_s_head_may_have_lists_in_both_forms_comments_and_quotes()
    {
        const string Card =
            "---\nlicense: other # of our own\nlicense_name: \"my-terms\"\nbase_model:\n- meta/one\n- 'meta/two'\ndatasets: [a/b, "
                + "\"c/d\"]\nmodel-index:\n- name: x\n---\n# Model\nlicense: mit\n";
        var keys = ModelCard.KeysOf(Card).ToDictionary(pair => pair.Key, pair => pair.Value.ToString());
        Assert.Equal("other", keys["general.license"]);
        Assert.Equal("my-terms", keys["general.license.name"]);
        Assert.Equal("https://huggingface.co/meta/two", keys["general.base_model.1.repo_url"]);
        Assert.Equal("https://huggingface.co/datasets/c/d", keys["general.dataset.1.repo_url"]);
        Assert.Equal("2", keys["general.dataset.count"]);
        Assert.Empty(ModelCard.KeysOf("# no head\nlicense: mit\n"));
    }
}
