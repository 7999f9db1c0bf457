using EdgeLlm.Chat;

namespace EdgeLlm.Tests.Chat;

/// <summary>Errors name the line and fit on one.</summary>
public sealed class TemplateErrorTests
{
    [Theory]
    [InlineData("a\nb{{ 1 + }}", 2)]
    [InlineData("{% if x %}\n\n", 2)]
    [InlineData("{# a\n#}\n{{ 'unclosed }}", 3)]
    [InlineData("{%- raw -%}\n\n{%- endraw -%}\n\n{% nosuch %}", 5)]
    [InlineData("\r\n\r\n{{ x|nosuch }}", 3)]
    [InlineData("{% include 'x' %}", 1)]
    public void A_syntax_error_names_its_line(string template, int line) => Assert.Equal(line, TemplateText.Failure(template).Line);

    [Theory]
    [InlineData("\n\n{{ nothing.at.all }}", 3)]
    [InlineData("{% macro m() %}\n{{ 1 // 0 }}\n{% endmacro %}\n\n{{ m() }}", 2)]
    [InlineData("{% macro m() %}\n{% endmacro %}\n\n{{ m() + 1 }}", 4)]
    [InlineData("{% for x in [1] %}\n  {{ x.y.z }}\n{% endfor %}", 2)]
    public void An_error_in_rendering_names_its_line(string template, int line) => Assert.Equal(line, TemplateText.Failure(template).Line);

    [Fact]
    public void The_words_of_raise_exception_are_kept()
    {
        ChatTemplateException error = TemplateText.Failure("\n{{ raise_exception('Roles must\\nalternate') }}");
        Assert.Equal("Roles must\nalternate", error.Reason);
        Assert.Equal("chat template, line 2: Roles must alternate", error.Message);
    }

    [Fact]
    public void Variables_that_are_no_object_are_an_error() => TemplateText.Failure("x", "[1]");

    [Fact]
    public void Half_a_surrogate_pair_in_the_input_is_an_error() => TemplateText.Failure("{{ x }}", """{"x": "\ud800"}""");

    [Theory]
    [InlineData("include 'x'")]
    [InlineData("import 'x' as y")]
    [InlineData("from 'x' import y")]
    [InlineData("extends 'x'")]
    [InlineData("block x")]
    public void Tags_that_reach_for_other_templates_are_refused_in_so_many_words(string tag) =>
        Assert.Contains("not supported", TemplateText.Failure($"{{% {tag} %}}").Message);
}
