using System.Text;
using System.Text.RegularExpressions;

namespace EdgeLlm.Speech.Phonemes;

/// <summary>Web and mail addresses and paths from the home folder, before their signs are taken for something else.</summary>
internal sealed partial class Normalizer
{
    private static string ReadAddresses(string text)
    {
        if (text.Contains("://", StringComparison.Ordinal) || text.Contains("www.", StringComparison.OrdinalIgnoreCase))
            text = WebAddress().Replace(text, static match => AddressWords(match.Groups[1].Value));
        if (text.Contains('@')) text = MailAddress().Replace(text, static match => AddressWords(match.Value));
        if (text.Contains("~/", StringComparison.Ordinal))
            text = HomePath()
                .Replace(text, static match => $"tilde {match.Groups[1].Value.Replace("/.", " slash dot ", StringComparison.Ordinal)}");
        return text;
    }

    /// <summary>`example dot com slash a`: names as words, signs by their names.</summary>
    private static string AddressWords(string address)
    {
        var words = new StringBuilder();
        address = address.TrimEnd('/');
        int hostEnd = address.IndexOf('/', StringComparison.Ordinal),
            lastDot = address.LastIndexOf('.', (hostEnd < 0 ? address.Length : hostEnd) - 1);
        for (int i = 0; i < address.Length;)
        {
            int end = i;
            while (end < address.Length && Letters.IsWord(address[end]) && address[end] != '_') end++;
            if (end > i)
            {
                string part = address[i..end];
                bool isCountry = i == lastDot + 1 && part.Length == 2; // a country's letters are spelled
                words.Append(isCountry ? part.ToUpperInvariant() : part);
                i = end;
                continue;
            }
            words.Append(address[i] switch
            {
                '.' => " dot ",
                '/' => " slash ",
                '@' => " at ",
                '-' => " dash ",
                '_' => " underscore ",
                '?' => " question mark ",
                '=' => " equals ",
                '&' => " and ",
                '#' => " hash ",
                '%' => " percent ",
                '+' => " plus ",
                ':' => " colon ",
                '~' => " tilde ",
                _ => " ",
            });
            i++;
        }
        return words.ToString().Trim();
    }

    [GeneratedRegex($@"{NotInWord}(?:[Hh]ttps?://|[Ff]tp://)?(?:www\.)?(?<=//|www\.)([\p{{L}}\p{{N}}][^\s<>""“”()\[\]]*[\p{{L}}\p{{N}}/])")]
    private static partial Regex WebAddress();

    [GeneratedRegex($@"{NotInWord}[\p{{L}}\p{{N}}][\p{{L}}\p{{N}}_.+\-]{{0,63}}@[\p{{L}}\p{{N}}\-]+(?:\.[\p{{L}}\p{{N}}\-]+)+")]
    private static partial Regex MailAddress();

    [GeneratedRegex(@"(?<!\S)~(/\.?(?=[\p{L}\p{N}]))")]
    private static partial Regex HomePath();
}
