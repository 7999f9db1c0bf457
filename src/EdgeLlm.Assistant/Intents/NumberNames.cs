namespace EdgeLlm.Assistant.Intents;

/// <summary>Numbers from 0 to 100 as they are said.</summary>
internal static class NumberNames
{
    private static readonly string[] English =
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen".Split(
            ' ');

    private static readonly string[] EnglishTens = "twenty thirty forty fifty sixty seventy eighty ninety".Split(' ');

    private static readonly string[] German =
        "null eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn fünfzehn sechzehn siebzehn achtzehn neunzehn".Split(
            ' ');

    private static readonly string[] GermanTens = "zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig".Split(' ');

    private static readonly string[] French =
        "zéro un deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze seize dix-sept dix-huit dix-neuf".Split(
            ' ');

    private static readonly string[] FrenchTens =
        "vingt trente quarante cinquante soixante soixante-dix quatre-vingt quatre-vingt-dix".Split(' ');

    private static readonly string[] Spanish =
        ("cero uno dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce quince dieciséis diecisiete dieciocho "
            + "diecinueve "
            + "veinte veintiuno veintidós veintitrés veinticuatro veinticinco veintiséis veintisiete veintiocho veintinueve").Split(' ');

    private static readonly string[] SpanishTens = "veinte treinta cuarenta cincuenta sesenta setenta ochenta noventa".Split(' ');

    /// <summary>Ways to say a number.</summary>
    public static IEnumerable<string> Of(int number, string language) => language switch
    {
        "de" => number == 1 ? ["eins", "ein", "eine", "einer", "einem"] : number == 100 ? ["hundert", "einhundert"] : [GermanOf(number)],
        "fr" => number == 1 ? ["un", "une"] : [FrenchOf(number)],
        "es" => number == 1 ? ["uno", "un", "una"] : [SpanishOf(number)],
        _ => number == 1 ? ["one", "a", "an"] : number == 100 ? ["one hundred", "a hundred"] : [EnglishOf(number)],
    };

    private static string EnglishOf(int number) =>
        number < 20 ? English[number] : Joined(EnglishTens[number / 10 - 2], number % 10, English, " ");

    private static string GermanOf(int number) => number < 20 ? German[number]
        : number % 10 == 0 ? GermanTens[number / 10 - 2]
        : (number % 10 == 1 ? "ein" : German[number % 10]) + "und" + GermanTens[number / 10 - 2];

    private static string FrenchOf(int number) => number switch
    {
        100 => "cent",
        < 20 => French[number],
        80 => "quatre-vingts",
        >= 60 and < 80 or > 80 => Base(number) + (number % 20 == 0 ? "" : (number is 61 or 71 ? " et " : "-") + French[number % 20]),
        _ => FrenchTens[number / 10 - 2] + (number % 10 == 0 ? "" : (number % 10 == 1 ? " et " : "-") + French[number % 10]),
    };

    private static string Base(int number) => number < 80 ? "soixante" : "quatre-vingt";

    private static string SpanishOf(int number) =>
        number == 100 ? "cien" : number < 30 ? Spanish[number] : Joined(SpanishTens[number / 10 - 2], number % 10, Spanish, " y ");

    private static string Joined(string tens, int ones, string[] names, string joint) => ones == 0 ? tens : tens + joint + names[ones];
}
