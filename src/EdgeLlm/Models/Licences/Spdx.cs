namespace EdgeLlm.Models.Licences;

/// <summary>Commercial use by a licence.</summary>
internal enum CommercialUse
{
    /// <summary>Not known here, or not stated.</summary>
    NotStated,

    Allowed,

    /// <summary>Under conditions of its own (numbers of users, kinds of use): to be read.</summary>
    WithConditions,

    Forbidden,
}

/// <summary>
/// Licences by the names that they have on Hugging Face (huggingface.co/docs/hub/repositories-licenses), in GGUF files and in SPDX's list;
/// where SPDX has no name, `LicenseRef-` and the hub's.
/// </summary>
internal static class Spdx
{
    private static readonly Dictionary<string, (string Id, CommercialUse Use)> Table = Build();

    /// <summary>The SPDX name, and what it says of commercial use; null: it is not a licence that is known here.</summary>
    public static (string Id, CommercialUse Use)? Find(string name) =>
        Table.TryGetValue(Plain(name), out (string, CommercialUse) found) ? found : null;

    /// <summary>Letters, digits and dots alone, in lower case: "Apache 2.0", "apache-2.0" and "APACHE_2.0" are one.</summary>
    internal static string Plain(string name) =>
        string.Concat(name.Trim().Where(letter => char.IsAsciiLetterOrDigit(letter) || letter is '.' or '+')).ToLowerInvariant();

    private static Dictionary<string, (string Id, CommercialUse Use)> Build()
    {
        var table = new Dictionary<string, (string, CommercialUse)>();
        Add(CommercialUse.Allowed,
            "Apache-2.0 = apache-2.0, apache 2, apache2.0, apache license 2.0, apache license version 2.0, apache",
            "MIT = mit, mit license, the mit license, expat", "BSD-2-Clause = bsd-2-clause, simplified bsd",
            "BSD-3-Clause = bsd-3-clause, bsd, new bsd", "BSD-3-Clause-Clear = bsd-3-clause-clear", "BSL-1.0 = bsl-1.0, boost", "ISC = isc",
            "Zlib = zlib", "Unlicense = unlicense", "WTFPL = wtfpl", "0BSD = 0bsd",
            "CC0-1.0 = cc0-1.0, cc0, cc-zero", "CC-BY-2.0 = cc-by-2.0", "CC-BY-2.5 = cc-by-2.5", "CC-BY-3.0 = cc-by-3.0",
            "CC-BY-4.0 = cc-by-4.0, cc by 4.0, cc-by", "CC-BY-SA-3.0 = cc-by-sa-3.0",
            "CC-BY-SA-4.0 = cc-by-sa-4.0, cc-by-sa", "CC-BY-ND-4.0 = cc-by-nd-4.0", "CDLA-Permissive-1.0 = cdla-permissive-1.0",
            "CDLA-Permissive-2.0 = cdla-permissive-2.0", "CDLA-Sharing-1.0 = cdla-sharing-1.0",
            "AFL-3.0 = afl-3.0", "Artistic-2.0 = artistic-2.0", "EPL-1.0 = epl-1.0", "EPL-2.0 = epl-2.0", "ECL-2.0 = ecl-2.0",
            "EUPL-1.1 = eupl-1.1", "EUPL-1.2 = eupl-1.2", "GPL-2.0-only = gpl-2.0, gpl-2.0-only",
            "GPL-3.0-only = gpl-3.0, gpl-3.0-only, gpl", "GPL-2.0-or-later = gpl-2.0-or-later, gpl-2.0+",
            "GPL-3.0-or-later = gpl-3.0-or-later, gpl-3.0+", "LGPL-2.1-only = lgpl-2.1, lgpl-2.1-only",
            "LGPL-3.0-only = lgpl-3.0, lgpl-3.0-only, lgpl", "AGPL-3.0-only = agpl-3.0, agpl-3.0-only",
            "AGPL-3.0-or-later = agpl-3.0-or-later", "LPPL-1.3c = lppl-1.3c", "MS-PL = ms-pl",
            "MPL-2.0 = mpl-2.0, mozilla public license 2.0",
            "NCSA = ncsa", "OFL-1.1 = ofl-1.1", "OSL-3.0 = osl-3.0", "PostgreSQL = postgresql", "ODbL-1.0 = odbl", "ODC-By-1.0 = odc-by",
            "PDDL-1.0 = pddl", "GFDL-1.3-only = gfdl", "LicenseRef-etalab-2.0 = etalab-2.0",
            "LicenseRef-openmdw = openmdw, openmdw-1.0", "LicenseRef-open-mdw-1.1 = openmdw-1.1");
        Add(CommercialUse.WithConditions,
            "LicenseRef-llama2 = llama2, llama 2 community license", "LicenseRef-llama3 = llama3", "LicenseRef-llama3.1 = llama3.1",
            "LicenseRef-llama3.2 = llama3.2, llama 3.2 community license", "LicenseRef-llama3.3 = llama3.3",
            "LicenseRef-llama4 = llama4", "LicenseRef-gemma = gemma, gemma-terms-of-use, gemma terms of use",
            "LicenseRef-openrail = openrail", "LicenseRef-openrail++ = openrail++",
            "LicenseRef-creativeml-openrail-m = creativeml-openrail-m",
            "LicenseRef-bigscience-openrail-m = bigscience-openrail-m", "LicenseRef-bigscience-bloom-rail-1.0 = bigscience-bloom-rail-1.0",
            "LicenseRef-bigcode-openrail-m = bigcode-openrail-m",
            "LicenseRef-tongyi-qianwen = tongyi-qianwen, qwen, tongyi-qianwen-license-agreement",
            "LicenseRef-lfm1.0 = lfm1.0, lfm open license v1.0", "LicenseRef-deepseek = deepseek, deepseek-license",
            "LicenseRef-h-research = h-research", "LicenseRef-falcon-llm-license = falcon-llm-license, falcon-180b-license",
            "LicenseRef-nvidia-open-model-license = nvidia-open-model-license");
        Add(CommercialUse.Forbidden,
            "CC-BY-NC-2.0 = cc-by-nc-2.0", "CC-BY-NC-3.0 = cc-by-nc-3.0", "CC-BY-NC-4.0 = cc-by-nc-4.0, cc by-nc 4.0, cc-by-nc",
            "CC-BY-NC-ND-3.0 = cc-by-nc-nd-3.0", "CC-BY-NC-ND-4.0 = cc-by-nc-nd-4.0",
            "CC-BY-NC-SA-2.0 = cc-by-nc-sa-2.0", "CC-BY-NC-SA-3.0 = cc-by-nc-sa-3.0", "CC-BY-NC-SA-4.0 = cc-by-nc-sa-4.0, cc-by-nc-sa",
            "C-UDA-1.0 = c-uda", "LicenseRef-apple-amlr = apple-amlr", "LicenseRef-apple-ascl = apple-ascl",
            "LicenseRef-fair-noncommercial-research-license = fair-noncommercial-research-license",
            "LicenseRef-intel-research = intel-research", "LicenseRef-qwen-research = qwen-research",
            "LicenseRef-mnpl = mnpl, mistral-ai-mnpl, mrl, mistral-research-license");
        Add(CommercialUse.NotStated, "LicenseRef-cc = cc");
        return table;

        void Add(CommercialUse use, params string[] lines)
        {
            foreach (string line in lines)
            {
                string[] parts = line.Split(" = ");
                foreach (string name in parts[1].Split(", ").Append(parts[0])) table[Plain(name)] = (parts[0], use);
            }
        }
    }
}
