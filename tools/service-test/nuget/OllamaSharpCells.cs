using System.Text.Json;
using OllamaSharp;
using OllamaSharp.Models;
using OllamaSharp.Models.Chat;

namespace EdgeLlm.Tools.NuGetClients;

/// <summary>OllamaSharp, by itself and as an IChatClient.</summary>
internal static class OllamaSharpCells
{
    private const string Name = "OllamaSharp";

    public static IEnumerable<Cell> Of(Service service)
    {
        OllamaApiClient ollama = ClientOf(service, service.Key);
        RequestOptions few = new() { Temperature = 0, NumPredict = 16 };
        ChatRequest Chat(RequestOptions? options = null, object? format = null, IEnumerable<object>? tools = null) =>
            new()
            {
                Model = Service.Model,
                Messages = [new(OllamaSharp.Models.Chat.ChatRole.User, Service.Question)],
                Options = options ?? few,
                Format = format,
                Tools = tools
            };
        async Task<string> AskAsync(ChatRequest request) =>
            string.Concat((await ollama.ChatAsync(request).ToListAsync()).Select(piece => piece?.Message.Content));

        foreach (Cell cell in ExtensionsCells.Of($"{Name} IChatClient", ollama, takesToolChoice: false)) yield return cell;
        yield return new(Name, "chat",
            async () =>
                Expect.Text(await new Chat(ollama, "You are brief.") { Options = few }.SendAsync(Service.Question).StreamToEndAsync()));
        yield return new(Name, "stream", () => Expect.StreamAsync(ollama.ChatAsync(Chat()), piece => piece?.Message.Content));
        yield return new(Name, "abort",
            () => Expect.AbandonAsync(stop => ollama.ChatAsync(Chat(new() { NumPredict = 2000 }), stop),
                () => AskAsync(Chat(new() { NumPredict = 1 }))));
        yield return new(Name, "stop, seed, length", async () =>
        {
            ChatResponseStream? last =
                (await ollama.ChatAsync(Chat(new() { Temperature = 0, NumPredict = 60, Seed = 1, Stop = [" the"] })).ToListAsync())[^1];
            Expect.True((last as ChatDoneResponseStream)?.DoneReason == "stop", "it did not stop");
        });
        yield return new(Name, "tools", async () =>
        {
            Tool weather = new()
            {
                Function = new()
                {
                    Name = "weather",
                    Description = "The weather.",
                    Parameters = new()
                    {
                        Properties = new Dictionary<string, Property> { ["city"] = new() { Type = "string" } },
                        Required = ["city"]
                    }
                },
            };
            List<ChatResponseStream?> pieces =
                await ollama.ChatAsync(Chat(new() { Temperature = 0, NumPredict = 40 }, tools: [weather])).ToListAsync();
            Expect.True(pieces.Exists(piece => piece?.Message.Content?.Length > 0 || piece?.Message.ToolCalls?.Any() == true),
                "neither a call nor text");
        });
        yield return new(Name, "structured output",
            async () =>
                Expect.City(
                    await AskAsync(Chat(new() { Temperature = 0, NumPredict = 60 }, JsonDocument.Parse(Service.Schema).RootElement))));
        yield return new(Name, "logprobs", async () =>
        {
            var request = new GenerateRequest
            {
                Model = Service.Model,
                Prompt = "Hi",
                Logprobs = true,
                TopLogprobs = 2,
                Options = new() { NumPredict = 3 },
            };
            Expect.True((await ollama.GenerateAsync(request).ToListAsync()).Exists(piece => piece?.Logprobs?.Any() == true), "none");
        });
        yield return new(Name, "embeddings", async () => Expect.True(
            (await ollama.EmbedAsync(new EmbedRequest { Model = Service.Model, Input = ["a", "b"] })).Embeddings[1].Length == Service.Width,
            "another width"));
#pragma warning disable CS0618 // the context is what older programs of it use
        yield return new(Name, "raw, system, context", async () =>
        {
            async Task<GenerateDoneResponseStream> GenerateAsync(GenerateRequest request) =>
                (GenerateDoneResponseStream)(await ollama.GenerateAsync(request).ToListAsync())[^1]!;
            GenerateDoneResponseStream first =
                await GenerateAsync(
                    new() { Model = Service.Model, Prompt = "Say hello.", System = "Be brief.", Options = new() { NumPredict = 8 } });
            GenerateDoneResponseStream next =
                await GenerateAsync(
                    new() { Model = Service.Model, Prompt = "Again.", Context = first.Context, Options = new() { NumPredict = 8 } });
            Expect.True(next.PromptEvalCount > first.Context!.Length, "the context was not read");
            await GenerateAsync(
                new() { Model = Service.Model, Prompt = "The sky is", Raw = true, KeepAlive = "5m", Options = new() { NumPredict = 8 } });
        });
#pragma warning restore CS0618
        yield return new(Name, "models", async () =>
        {
            Expect.True((await ollama.ListLocalModelsAsync()).Single().Name == $"{Service.Model}:latest", "another list");
            Expect.True((await ollama.ListRunningModelsAsync()).Single().Name == $"{Service.Model}:latest", "another list of what runs");
            Expect.True(await ollama.IsRunningAsync() && Version.TryParse(await ollama.GetVersionAsync(), out _), "no version");
        });
        yield return new(Name, "show, create, copy, delete, pull", async () =>
        {
            Expect.True((await ollama.ShowModelAsync(Service.Model)).Capabilities!.Contains("tools"), "no tools");
            await ollama.CreateModelAsync(new CreateModelRequest
            {
                Model = "pirate",
                From = Service.Model,
                System = "You are a pirate.",
                Parameters = new() { ["temperature"] = 0 }
            }).ToListAsync();
            Expect.True((await ollama.ShowModelAsync("pirate")).System == "You are a pirate.", "another system turn");
            await ollama.CopyModelAsync("pirate", "corsair");
            foreach (string made in (string[])["pirate", "corsair"]) await ollama.DeleteModelAsync(made);
            Expect.True((await ollama.ListLocalModelsAsync()).Count() == 1, "they are still there");
            Expect.True((await ollama.PullModelAsync(Service.Model).ToListAsync())[^1]?.Status == "success", "pull");
        });
        yield return new(Name, "wrong model, wrong key", async () =>
        {
            await Expect.RefusedAsync(
                () => AskAsync(new() { Model = "llama3", Messages = [new(OllamaSharp.Models.Chat.ChatRole.User, "x")] }), "llama3", "404");
            await Expect.RefusedAsync(() => ClientOf(service, "wrong").ListLocalModelsAsync(), "401");
        });
    }

    private static OllamaApiClient ClientOf(Service service, string key)
    {
        var ollama = new OllamaApiClient(service.Address, Service.Model);
        ollama.DefaultRequestHeaders["Authorization"] = $"Bearer {key}";
        return ollama;
    }
}
