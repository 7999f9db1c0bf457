using EdgeLlm.Generation;
using EdgeLlm.Generation.Scheduling;
using EdgeLlm.Models;
using EdgeLlm.Sampling;

namespace EdgeLlm.Server.Engine;

/// <summary>An answer with a text that is given (<see cref="InferenceEngine.Script"/>), token by token as the model's would come.</summary>
internal static class ScriptedAnswer
{
    public static Answer Of(string text, LanguageModel model, AnswerRequest request, CancellationToken cancellation)
    {
        var answer = new Answer(model, request, TimeSpan.Zero, CancellationToken.None, cancellation);
        int[] tokens = model.Tokenizer.Encode(text);
        int most = request.Options.MaxTokens;
        bool isCut = most > 0 && tokens.Length > most;
        if (isCut) tokens = tokens[..most];
        answer.Begin();
        string written = "";
        for (int i = 1; i <= tokens.Length; i++)
        {
            string all = model.Tokenizer.Decode(tokens.AsSpan(0, i));
            if (request.Options.LogProbabilities is { } likeliest)
                answer.Add(new TokenLogProbability(tokens[i - 1], -0.5f, likeliest == 0 ? [] : [(tokens[i - 1], -0.5f)]));
            if (all.Length <= written.Length || all[^1] == '\uFFFD') continue;
            answer.Write(all.AsSpan(written.Length));
            written = all;
        }
        answer.End(tokens, new GenerationStatistics(request.Prompt.Count, 0, tokens.Length, TimeSpan.FromMilliseconds(1),
            TimeSpan.FromMilliseconds(1), isCut ? FinishReason.MaxTokens : FinishReason.EndOfText));
        answer.LetGo();
        return answer;
    }
}
