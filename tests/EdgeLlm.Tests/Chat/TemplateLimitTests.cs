using EdgeLlm.Chat;

namespace EdgeLlm.Tests.Chat;

/// <summary>Whatever a template asks for ends soon, with an error, and without much memory.</summary>
public sealed class TemplateLimitTests
{
    private const string Namespace = "{% set n = namespace(v=[], s='ab', t=()) %}";
    private const string Twins = "{% set n = namespace(v=[]) %}{% set m = namespace(v=[]) %}";
    private const string Nest = "{% set n.v = [n.v, n.v] %}{% set m.v = [m.v, m.v] %}";
    private const string Many = "{% for i in range(100000) %}{% for j in range(100000) %}";
    private const string EndMany = "{% endfor %}{% endfor %}";

    // Half of the default, to be done sooner; and without the guard, which says another thing on a slow machine.
    private static readonly ChatTemplateLimits Limits = new() { MaximumSteps = 2_000_000, MaximumTime = TimeSpan.FromHours(1) };

    public static TheoryData<string> Hogs { get; } = new(
        // Sizes asked for at once.
        "{{ range(10 ** 12) }}",
        "{{ range(100001) }}",
        "{{ 'a' * 10 ** 9 }}",
        "{{ [0] * 10 ** 9 }}",
        "{{ 'a'.center(10 ** 9) }}",
        "{{ 'a'.ljust(10 ** 9) }}",
        "{{ '1'.zfill(10 ** 9) }}",
        "{{ 'a'|center(10 ** 9) }}",
        "{{ 'a\\nb'|indent(10 ** 9) }}",
        "{{ [1]|tojson(indent=10 ** 9) }}",
        "{{ '%1000000000d' % 1 }}",
        "{{ '%*d' % (10 ** 9, 1) }}",
        "{{ '{:1000000000}'.format('a') }}",
        "{{ '{:01000000000}'.format(1) }}",
        "{{ [1]|batch(10 ** 9, 0)|list }}",
        "{{ [1]|slice(10 ** 9)|list }}",
        "{{ 'a\\tb'.expandtabs(10 ** 9) }}",
        "{{ 10 ** (10 ** 10) }}",
        "{{ 2 ** 100000 }}",
        "{{ (range(100000)|list)|string * 100 }}",
        // Growth.
        Namespace + Many + "{% set n.s = n.s + n.s %}" + EndMany,
        Namespace + Many + "{% set n.s = n.s ~ n.s %}" + EndMany,
        Namespace + Many + "{% set n.s = n.s.replace('a', 'aaaa') %}" + EndMany,
        Namespace + Many + "{% set n.v = n.v + n.v + [1] %}" + EndMany,
        Namespace + Many + "{% set n.v = [n.v, n.s] %}" + EndMany,
        Namespace + "{% set n.v = 3 %}" + Many + "{% set n.v = n.v * n.v %}" + EndMany,
        Namespace + Many + "{% set n.s = [n.s, n.s]|string %}" + EndMany,
        Namespace + Many + "{% set n.s = [n.s, n.s]|tojson %}" + EndMany,
        Many + "some output {{ i }}" + EndMany,
        "{% set a = range(100000)|list %}{% set d = dict(a=a) %}" + Many + "{% set b = dict(d, x=a + a) %}" + EndMany,
        // Sharing that is small to build and large to walk.
        Namespace + "{% for i in range(60) %}{% set n.v = [n.v, n.v] %}{% endfor %}{{ n.v }}",
        Namespace + "{% for i in range(60) %}{% set n.v = [n.v, n.v] %}{% endfor %}{{ n.v|tojson|length }}",
        Twins + "{% for i in range(60) %}" + Nest + "{% endfor %}{{ n.v == m.v }}",
        Twins + "{% for i in range(60) %}" + Nest + "{% endfor %}{{ n.v + [1] < m.v + [2] }}",
        Namespace + "{% for i in range(60) %}{% set n.t = (n.t, n.t) %}{% endfor %}{{ {n.t: 1} }}",
        // Depth.
        Namespace + "{% for i in range(100000) %}{% set n.v = [n.v] %}{% endfor %}{{ n.v }}",
        Namespace + "{% for i in range(100000) %}{% set n.v = [n.v] %}{% endfor %}{{ n.v|tojson }}",
        Namespace + "{% for i in range(100000) %}{% set n.v = {'a': n.v} %}{% endfor %}{{ n.v }}",
        Namespace + "{% for i in range(100000) %}{% set n.t = (n.t,) %}{% endfor %}{{ {n.t: 1} }}",
        Twins + "{% for i in range(100000) %}{% set n.v = [n.v] %}{% set m.v = [m.v] %}{% endfor %}{{ n.v == m.v }}",
        Namespace + "{% set n.v = n %}{{ n }}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{% macro m(x) %}{% if x %}{% for y in [1] %}{{ m(x) ~ m(x) }}{% endfor %}{% endif %}{% endmacro %}{{ m(1) }}",
        "{% macro m(a=m()) %}{% endmacro %}{{ m() }}",
        "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}",
        "{% macro m() %}{% call m() %}{{ caller() }}{% endcall %}{% endmacro %}{% call m() %}x{% endcall %}");

    public static TheoryData<string> Dawdlers { get; } = new(
        Many + EndMany,
        Many + "{% set x = i is divisibleby 7 %}" + EndMany,
        "{% set s = 'a' * 10000000 %}" + Many + "{% set x = 'b' in s %}" + EndMany,
        "{% set s = 'a' * 10000000 %}{% set p = 'a' * 1000000 + 'b' %}" + Many + "{% set x = p in s %}" + EndMany,
        "{% set s = 'a' * 10000000 %}{% set p = 'a' * 1000000 + 'b' %}" + Many + "{% set x = s.rfind(p) %}" + EndMany,
        "{% set s = 'a' * 8000000 %}{% set t = 'a' * 8000000 %}" + Many + "{% set x = s == t %}" + EndMany,
        "{% set s = 'a' * 8000000 %}{% set t = 'a' * 8000000 %}" + Many + "{% set x = s < t %}" + EndMany,
        "{% set s = 'a' * 8000000 %}{% set d = {s: 1} %}" + Many + "{% set x = d.get('a' ~ s) %}" + EndMany,
        "{% set s = 'a' * 8000000 %}" + Many + "{% set x = s is lower %}" + EndMany,
        "{% set s = 'a' * 8000000 %}" + Many + "{% set x = s.isalpha() %}" + EndMany,
        "{% set s = ' ' * 8000000 %}" + Many + "{% set x = s.strip() %}" + EndMany,
        "{% set s = ' ' * 8000000 %}" + Many + "{% set x = s.split() %}" + EndMany,
        "{% set s = ' ' * 8000000 %}" + Many + "{% set x = s.rsplit() %}" + EndMany,
        "{% set s = 'a' * 8000000 %}" + Many + "{% set x = s.splitlines() %}" + EndMany,
        "{% set s = 'a' * 8000000 %}" + Many + "{% set x = s.count('b') %}" + EndMany,
        "{% set s = 'a' * 8000000 %}" + Many + "{% set x = s.replace('b', '') %}" + EndMany,
        "{% set s = '%' + '-' * 8000000 + 's' %}" + Many + "{% set x = s % 1 %}" + EndMany,
        "{% set s = '{' + '0' * 8000000 + '}' %}" + Many + "{% set x = s.format(1) %}" + EndMany,
        "{% set s = 'a' * 8000000 %}{% set p = 'b' * 8000000 + 'a' %}" + Many + "{% set x = s.strip(p) %}" + EndMany,
        "{% set s = '\\U0001F600' * 4000000 %}" + Many + "{% set x = s[3999999] %}" + EndMany,
        "{% set s = 'a' * 8000000 %}" + Many + "{% set x = s|wordcount %}" + EndMany,
        "{% set s = 'a' * 8000000 %}" + Many + "{% set x = s.startswith(s ~ '') %}" + EndMany,
        "{% set s = 'a' * 8000000 %}" + Many + "{% set x = s|int %}" + EndMany,
        "{% set s = 'a' * 8000000 %}" + Many + "{% set x = s|float %}" + EndMany,
        "{% set s = 'a' * 8000000 %}" + Many + "{% set x = s.removeprefix('b') == s.removesuffix(s ~ 'b') %}" + EndMany,
        "{% set b = 2 ** 7000 %}" + Many + "{% set x = b * b // b %}" + EndMany,
        "{% set b = 2 ** 14000 %}" + Many + "{% set x = b % 3 %}{% set y = b < b + 1 %}" + EndMany,
        "{% set b = 2 ** 14000 %}" + Many + "{% set x = b|string %}" + EndMany,
        "{% set l = range(100000)|list %}" + Many + "{% set x = -1 in l %}" + EndMany,
        "{% set l = range(100000)|list %}" + Many + "{% set x = l|sort %}" + EndMany,
        "{% set l = range(100000)|list %}" + Many + "{% set x = l|map('string')|join %}" + EndMany,
        "{% set l = range(100000)|list %}" + Many + "{% set x = l.count(5) + l|sum %}" + EndMany,
        "{% set l = range(100000) %}" + Many + "{% set x = l|last + l|max %}" + EndMany);

    [Theory]
    [MemberData(nameof(Hogs))]
    public void A_template_that_asks_for_too_much_ends_with_an_error(string template)
    {
        long before = GC.GetAllocatedBytesForCurrentThread();
        TemplateText.Failure(template, "{}", Limits);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 3 * Limits.MaximumAllocatedBytes);
    }

    [Theory]
    [MemberData(nameof(Dawdlers))]
    public void A_template_that_takes_too_long_ends_with_an_error(string template)
    {
        long before = GC.GetAllocatedBytesForCurrentThread();
        ChatTemplateException error = TemplateText.Failure(template, "{}", Limits);
        Assert.Matches("steps|bytes of strings", error.Message);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 3 * Limits.MaximumAllocatedBytes);
    }

    [Theory]
    [InlineData(Many + EndMany)]
    [InlineData(Many + "{% set b = 2 ** 14000 %}{% set x = b|string %}" + EndMany)]
    [InlineData("{% set l = range(100000)|list %}" + Many + "{% set x = l.count(5) + l|sum %}" + EndMany)]
    [InlineData(Many + "{% set x = namespace(a=[i, j], b={'c': i ~ j}) %}{{ x.b.c.upper() }}" + EndMany)]
    [InlineData(Many + "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(j) }}" + EndMany)]
    public void What_is_counted_is_about_what_is_allocated(string template)
    {
        ChatTemplateLimits limits = Limits with { MaximumAllocatedBytes = 16 << 20 };
        TemplateText.Failure(template, "{}", limits); // what is allocated once
        long before = GC.GetAllocatedBytesForCurrentThread();
        ChatTemplateException error = TemplateText.Failure(template, "{}", limits);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, limits.MaximumAllocatedBytes * 5 / 2);
        Assert.Matches("steps|bytes of strings", error.Message);
    }

    [Fact]
    public void A_clock_guards_what_steps_do_not_see()
    {
        ChatTemplateLimits limits = new() { MaximumTime = TimeSpan.Zero };
        Assert.Contains("0 s of processor time", TemplateText.Failure(Many + EndMany, "{}", limits).Message);
    }

    [Fact]
    public void Finding_out_what_a_hostile_template_can_do_is_bounded_too()
    {
        long before = GC.GetAllocatedBytesForCurrentThread();
        ChatTemplate template = ChatTemplate.Parse(Many + "{% set x = 'a' * 1000 %}" + EndMany);
        Assert.False(template.Capabilities.SupportsTools);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1L << 28);
    }

    public static TheoryData<string> WideSources { get; } = new(
        "{{ " + string.Concat(Enumerable.Repeat("'a'", 300_000)) + " + 1 }}",
        "{{ f(" + string.Concat(Enumerable.Range(0, 80_000).Select(i => $"a{i}=1,")) + ") }}",
        string.Concat(Enumerable.Range(0, 50_000).Select(i => $"{{%set a{i}=1%}}")) + "{{ b.c }}",
        "{{ x[" + string.Concat(Enumerable.Repeat("1,", 400_000)) + "].y }}",
        "{{ {" + string.Concat(Enumerable.Range(0, 90_000).Select(i => $"{i}:1,")) + "}.x.y }}",
        "{% macro m(" + string.Join(',', Enumerable.Range(0, 40_000).Select(i => $"a{i}=1")) + ") %}{% endmacro %}{{ m("
            + string.Join(',', Enumerable.Range(0, 40_000).Select(i => $"b{i}=1")) + ") }}",
        string.Concat(Enumerable.Repeat("{#", 500_000)),
        string.Concat(Enumerable.Repeat("{% raw %}", 100_000)),
        string.Concat(Enumerable.Repeat("{{'a'|nosuch}}", 70_000)));

    [Theory]
    [MemberData(nameof(WideSources))]
    public void A_source_of_many_parts_is_parsed_in_time_that_grows_with_its_length(string template) => TemplateText.Failure(template);

    public static TheoryData<string> DeepSources { get; } = new(
        new string('(', 200_000),
        "{{ " + new string('(', 200_000) + "1" + new string(')', 200_000) + " }}",
        "{{ " + new string('[', 200_000) + " }}",
        "{{ " + string.Concat(Enumerable.Repeat("{1:", 100_000)) + " }}",
        "{{ " + string.Concat(Enumerable.Repeat("not ", 100_000)) + "1 }}",
        "{{ " + new string('-', 200_000) + "1 }}",
        "{{ 1" + string.Concat(Enumerable.Repeat(" + 1", 100_000)) + " }}",
        "{{ 1" + string.Concat(Enumerable.Repeat(" ** 1", 100_000)) + " }}",
        "{{ x" + string.Concat(Enumerable.Repeat("[0]", 100_000)) + " }}",
        "{{ x" + string.Concat(Enumerable.Repeat(".x", 100_000)) + " }}",
        "{{ x" + string.Concat(Enumerable.Repeat("|d", 100_000)) + " }}",
        "{{ x" + string.Concat(Enumerable.Repeat("()", 100_000)) + " }}",
        "{{ 1" + string.Concat(Enumerable.Repeat(" and 1", 100_000)) + " }}",
        "{{ 1" + string.Concat(Enumerable.Repeat(" if 1 else 1", 50_000)) + " }}",
        "{{ 1" + string.Concat(Enumerable.Repeat(" if 1", 100_000)) + " }}",
        "{{ x is " + string.Concat(Enumerable.Repeat("in [x is ", 50_000)) + " }}",
        string.Concat(Enumerable.Repeat("{% if 1 %}", 100_000)),
        string.Concat(Enumerable.Repeat("{% for x in y %}", 60_000)),
        string.Concat(Enumerable.Repeat("{% set x %}", 90_000)),
        "{% for " + new string('(', 200_000) + " in x %}");

    [Theory]
    [MemberData(nameof(DeepSources))]
    public void Deep_nesting_in_the_source_ends_with_an_error_even_on_a_small_stack(string template)
    {
        if (!template.StartsWith('{')) template = "{{ " + template;
        ChatTemplateException? error = null;
        Thread thread =
            new(() => error = Assert.Throws<ChatTemplateException>(() => TemplateText.Render(template)), maxStackSize: 256 << 10);
        thread.Start();
        thread.Join();
        Assert.NotNull(error);
    }

    [Fact]
    public void Recursion_ends_with_an_error_even_on_a_small_stack()
    {
        ChatTemplateLimits limits = new() { MaximumDepth = int.MaxValue };
        ChatTemplateException? error = null;
        Thread thread = new(() => error = TemplateText.Failure("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "{}", limits),
            maxStackSize: 256 << 10);
        thread.Start();
        thread.Join();
        Assert.NotNull(error);
    }

    [Fact]
    public void Limits_can_be_set()
    {
        Assert.Contains("10 characters", TemplateText.Failure("12345678901", "{}", new() { MaximumSourceLength = 10 }).Message);
        Assert.Contains("10 characters", TemplateText.Failure("{{ '123456' * 2 }}", "{}", new() { MaximumOutputLength = 10 }).Message);
        Assert.Contains("10 steps",
            TemplateText.Failure("{% for x in [1, 2, 3, 4] %}{{ x }}{% endfor %}", "{}", new() { MaximumSteps = 10 }).Message);
        Assert.Contains("1000 bytes", TemplateText.Failure("{{ range(100)|list }}", "{}", new() { MaximumAllocatedBytes = 1000 }).Message);
        Assert.Contains("10 levels", TemplateText.Failure("{{ (((((((((((1))))))))))) }}", "{}", new() { MaximumDepth = 10 }).Message);
    }

    [Fact]
    public void A_long_conversation_is_far_from_the_limits()
    {
        string turn = "{\"role\": \"user\", \"content\": \"" + new string('x', 2_000) + "\"}";
        string messages = "{\"messages\": [" + string.Join(',', Enumerable.Repeat(turn, 1_000)) + "]}";
        // The worst habit of templates: everything so far is copied for each message.
        string template =
            "{% set n = namespace(s='') %}{% for m in messages[-100:] %}{% set n.s = n.s + m.content|trim + '\\n' %}{% endfor %}{{ n.s }}";
        ChatTemplateLimits limits = new() { MaximumTime = TimeSpan.FromHours(1) };
        Assert.Equal(100 * 2_001, TemplateText.Render(template, messages, limits).Length);
        Assert.Equal(1_000 * 2_001,
            TemplateText.Render("{% for m in messages %}{{ m.content|trim + '\\n' }}{% endfor %}", messages, limits).Length);
    }
}
