namespace EdgeLlm.Cli;

/// <summary>
/// Commands and options that people know from Ollama and llama.cpp and that have no counterpart of another name here: what to do instead.
/// </summary>
internal static class ForeignWords
{
    private const string NoGpu = "it computes on the processor, all of it; leave this out";
    private const string NotYet = "not supported yet";
    private const string FromHub = "edgellm pull OWNER/NAME gets a model from Hugging Face, edgellm run -m NAME asks it";

    public static Dictionary<string, string> Commands { get; } = new()
    {
        ["stop"] =
            "a model is mapped, not loaded, and takes no memory that others need; the service is stopped with systemctl stop edgellm",
        ["cp"] = "models are files; edgellm list --json says where, and cp copies them",
        ["push"] = "models are files; huggingface-cli upload takes them",
        ["signin"] = "edgellm pull takes the token of HF_TOKEN or `hf auth login`",
        ["login"] = "edgellm pull takes the token of HF_TOKEN or `hf auth login`",
        ["chat"] = "edgellm run",
        ["start"] = "edgellm serve",
        ["server"] = "edgellm serve",
        ["download"] = "edgellm pull OWNER/NAME",
        ["models"] = "edgellm list",
        ["remove"] = "edgellm rm NAME",
        ["delete"] = "edgellm rm NAME",
        ["info"] = "edgellm show MODEL",
        ["version"] = "edgellm --version",
    };

    public static Dictionary<string, string> Options { get; } = new()
    {
        ["-ngl"] = NoGpu,
        ["--n-gpu-layers"] = NoGpu,
        ["--gpu-layers"] = NoGpu,
        ["-fa"] = NoGpu,
        ["--flash-attn"] = NoGpu,
        ["-v"] = "--version for the program's version, --verbose for what an answer took",
        ["-f"] = "a prompt from a file: edgellm run < FILE, or edgellm run \"What to do with it\" < FILE",
        ["--file"] = "a prompt from a file: edgellm run < FILE, or edgellm run \"What to do with it\" < FILE",
        ["--prompt-file"] = "a prompt from a file: edgellm run < FILE, or edgellm run \"What to do with it\" < FILE",
        ["-i"] = "edgellm run without a prompt is a conversation",
        ["--interactive"] = "edgellm run without a prompt is a conversation",
        ["-no-cnv"] = "--raw continues a text, a prompt gets one answer",
        ["-st"] = "edgellm run with a prompt gives one answer",
        ["-hf"] = FromHub,
        ["-hfr"] = FromHub,
        ["--hf-repo"] = FromHub,
        ["-tb"] = "--threads for prompts, --decode-threads for decoding",
        ["--threads-batch"] = "--threads for prompts, --decode-threads for decoding",
        ["-b"] = "--chunk",
        ["-ub"] = "--chunk",
        ["-ctk"] = "--kv f16, f32 or i8",
        ["--cache-type-k"] = "--kv f16, f32 or i8",
        ["-ctv"] = "--kv f16, f32 or i8",
        ["--cache-type-v"] = "--kv f16, f32 or i8",
        ["--port"] = "--listen 127.0.0.1:PORT",
        ["--host"] = "--listen ADDRESS:PORT",
        ["-np"] = "--parallel",
        ["--keepalive"] = "the model stays mapped; leave this out",
        ["--think"] = NotYet,
        ["--image"] = "no model here reads images",
        ["--mmproj"] = "no model here reads images",
        ["--nowordwrap"] = "/set nowordwrap in the conversation",
        ["--insecure"] = "leave this out",
    };
}
