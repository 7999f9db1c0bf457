// Clients of other projects against a running service: every feature that a client has works, or is refused by name where no model here can do it.
//   node suite.mjs https://127.0.0.1:11434 KEY        (NODE_EXTRA_CA_CERTS names the service's authority; run by tools/test-clients)
import assert from 'node:assert/strict';
import { createAnthropic } from '@ai-sdk/anthropic';
import { createOpenAI } from '@ai-sdk/openai';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import Anthropic from '@anthropic-ai/sdk';
import { embed, embedMany, generateText, Output, streamText, tool } from 'ai';
import { Ollama } from 'ollama';
import { createOllama } from 'ollama-ai-provider-v2';
import OpenAI from 'openai';
import { zodResponseFormat, zodTextFormat } from 'openai/helpers/zod';
import { z } from 'zod';

const left = [];
// A client that may be left out (its packages are many).
async function optional(name) {
  try { return await import(name); } catch (error) {
    if (error.code !== 'ERR_MODULE_NOT_FOUND' || !error.message.includes(`'${name.split('/').slice(0, 2).join('/')}'`)) throw error;
    left.push(name);
    return null;
  }
}
const { constructLlmApi } = await optional('@continuedev/openai-adapters') ?? {};
const { tool: chainTool } = await optional('@langchain/core/tools') ?? {};
const { ChatOllama, Ollama: ChainOllama, OllamaEmbeddings } = await optional('@langchain/ollama') ?? {};
const { ChatOpenAI, OpenAI: ChainOpenAI, OpenAIEmbeddings } = await optional('@langchain/openai') ?? {};
const { Ollama: IndexOllama, OllamaEmbedding } = await optional('@llamaindex/ollama') ?? {};

const [address, key, only] = process.argv.slice(2);
const model = 'SmolLM2-135M-Instruct';
const headers = { Authorization: `Bearer ${key}` };
const messages = [{ role: 'system', content: 'You are brief.' }, { role: 'user', content: 'Hi' }, { role: 'assistant', content: 'Hello.' }, { role: 'user', content: 'Why is the sky blue?' }];
const ask = 'What is the weather in Paris?';
const shape = z.object({ city: z.string().max(20), degrees: z.number().int() });
const json = { type: 'object', properties: { city: { type: 'string', maxLength: 20 } }, required: ['city'], additionalProperties: false };
const picture = 'data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
const cells = [];
const cell = (client, feature, run) => cells.push({ client, feature, run });
const textOf = text => assert.ok(typeof text === 'string' && text.trim().length > 3, JSON.stringify(text));

async function gather(stream, read) {
  let text = '', count = 0;
  for await (const part of stream) { text += read(part) ?? ''; count++; }
  assert.ok(count > 1, 'it came at once');
  textOf(text);
  return text;
}

// Leaves a long stream after its first text; the next answer is there soon.
async function abandons(begin, next) {
  const controller = new AbortController();
  try {
    for await (const _ of await begin(controller.signal)) { controller.abort(); break; }
  } catch (error) { assert.match(`${error.name} ${error.message}`, /abort/i); }
  const start = performance.now();
  await next();
  assert.ok(performance.now() - start < 30000, 'the next answer waited');
}

async function refused(run, words) {
  try { await run(); } catch (error) {
    let said = '';
    for (let one = error; one; one = one.cause ?? one.lastError ?? one.data?.cause) said += ` ${one.name} ${one.message} ${one.responseBody ?? ''}`;
    assert.match(said, words);
    return;
  }
  assert.fail('it was taken');
}

// ---- openai
{
  const openai = new OpenAI({ baseURL: `${address}/v1`, apiKey: key, maxRetries: 0 });
  const chat = (more = {}, options) => openai.chat.completions.create({ model, messages, temperature: 0, max_tokens: 16, ...more }, options);
  const tools = [{ type: 'function', function: { name: 'weather', description: 'The weather of a city.', parameters: json, strict: true } }];
  const asked = { messages: [{ role: 'user', content: ask }], tools, max_tokens: 400 };
  const checkCall = call => assert.equal(typeof JSON.parse(call.function.arguments).city, 'string');
  cell('openai', 'chat', async () => textOf((await chat()).choices[0].message.content));
  cell('openai', 'stream', async () => assert.equal(await gather(await chat({ stream: true, stream_options: { include_usage: true } }), one => one.choices[0]?.delta.content), (await chat()).choices[0].message.content));
  cell('openai', 'abort', () => abandons(signal => chat({ stream: true, max_tokens: 2000 }, { signal }), () => chat({ max_tokens: 1 })));
  cell('openai', 'stop, seed, length', async () => {
    assert.equal((await chat({ stop: [' the'], max_completion_tokens: 60, max_tokens: undefined })).choices[0].finish_reason, 'stop');
    const seeded = async () => (await chat({ temperature: 1, seed: 3 })).choices[0].message.content;
    assert.equal(await seeded(), await seeded());
  });
  cell('openai', 'models', async () => {
    assert.equal((await openai.models.list()).data[0].id, model);
    assert.equal((await openai.models.retrieve(model)).id, model);
  });
  cell('openai', 'tools', async () => {
    for (const tool_choice of ['required', { type: 'function', function: { name: 'weather' } }]) checkCall((await chat({ ...asked, tool_choice })).choices[0].message.tool_calls[0]);
    const run = await openai.chat.completions.stream({ model, temperature: 0, ...asked, tool_choice: 'required' }).finalChatCompletion();
    checkCall(run.choices[0].message.tool_calls[0]);
    const call = run.choices[0].message.tool_calls[0];
    textOf((await chat({ messages: [...asked.messages, { role: 'assistant', content: null, tool_calls: [call] }, { role: 'tool', tool_call_id: call.id, content: 'sunny' }], tools, tool_choice: 'none' })).choices[0].message.content);
    const auto = (await chat({ ...asked, tool_choice: 'auto' })).choices[0].message;
    assert.ok(auto.content !== null || auto.tool_calls.length > 0);
  });
  cell('openai', 'tool_choice none, tools []', async () => { textOf((await chat({ tools, tool_choice: 'none' })).choices[0].message.content); textOf((await chat({ tools: [] })).choices[0].message.content); });
  cell('openai', 'functions', async () => {
    const { message, finish_reason } = (await chat({ messages: asked.messages, max_tokens: 120, functions: [tools[0].function], function_call: { name: 'weather' } })).choices[0];
    assert.equal(message.function_call.name, 'weather');
    assert.match(finish_reason, /function_call|stop/);
  });
  cell('openai', 'structured output', async () => {
    const parsed = (await openai.chat.completions.parse({ model, messages: asked.messages, max_tokens: 80, temperature: 0, response_format: zodResponseFormat(shape, 'weather') })).choices[0].message.parsed;
    shape.parse(parsed);
    JSON.parse((await chat({ messages: [{ role: 'user', content: 'JSON please' }], response_format: { type: 'json_object' }, max_tokens: 60 })).choices[0].message.content);
  });
  cell('openai', 'logprobs', async () => assert.equal((await chat({ logprobs: true, top_logprobs: 3 })).choices[0].logprobs.content[0].top_logprobs.length, 3));
  cell('openai', 'n 2', async () => assert.equal((await chat({ n: 2, temperature: 1 })).choices.length, 2));
  cell('openai', 'embeddings', async () => assert.equal((await openai.embeddings.create({ model, input: ['a', 'b'] })).data[1].embedding.length, 576));
  cell('openai', 'completions, fill-in-the-middle', async () => {
    const plain = await openai.completions.create({ model, prompt: 'The sky is', max_tokens: 8, temperature: 0, echo: true, logprobs: 2 });
    assert.ok(plain.choices[0].text.startsWith('The sky is') && plain.choices[0].logprobs.tokens.length > 8);
    await refused(() => openai.completions.create({ model, prompt: 'a', suffix: 'b' }), /suffix.*no tokens to fill/);
  });
  cell('openai', 'responses', async () => {
    const first = await openai.responses.create({ model, input: 'Say hello.', max_output_tokens: 16, temperature: 0 });
    textOf(first.output_text);
    textOf((await openai.responses.create({ model, input: 'Again.', previous_response_id: first.id, max_output_tokens: 16 })).output_text);
    assert.equal((await openai.responses.retrieve(first.id)).id, first.id);
    await openai.responses.delete(first.id);
    await refused(() => openai.responses.retrieve(first.id), /404|not found/i);
    const types = [];
    for await (const event of await openai.responses.create({ model, input: 'Say hello.', max_output_tokens: 16, stream: true })) { assert.equal(event.sequence_number, types.length); types.push(event.type); }
    assert.deepEqual([types[0], /response\.(completed|incomplete)/.test(types.at(-1))], ['response.created', true]);
    const called = await openai.responses.create({ model, input: ask, tools: [{ type: 'function', name: 'weather', parameters: json, strict: true }], tool_choice: 'required', max_output_tokens: 120 });
    assert.equal(typeof JSON.parse(called.output.find(one => one.type === 'function_call').arguments).city, 'string');
    shape.parse((await openai.responses.parse({ model, input: ask, max_output_tokens: 80, temperature: 0, text: { format: zodTextFormat(shape, 'weather') } })).output_parsed);
    await abandons(signal => openai.responses.create({ model, input: 'A long story', stream: true, max_output_tokens: 2000 }, { signal }), () => chat({ max_tokens: 1 }));
  });
  cell('openai', 'pictures', () => refused(() => chat({ messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: picture } }] }] }), /reads text only/));
  cell('openai', 'wrong model, wrong key', async () => {
    await refused(() => chat({ model: 'gpt-4' }), /gpt-4/);
    await refused(() => new OpenAI({ baseURL: `${address}/v1`, apiKey: 'wrong', maxRetries: 0 }).models.list(), /401/);
  });
}

// ---- ollama
{
  const ollama = new Ollama({ host: address, headers });
  const chat = (more = {}) => ollama.chat({ model, messages, options: { temperature: 0, num_predict: 16 }, ...more });
  const tools = [{ type: 'function', function: { name: 'weather', description: 'The weather of a city.', parameters: json } }];
  cell('ollama', 'chat', async () => textOf((await chat()).message.content));
  cell('ollama', 'stream', async () => gather(await chat({ stream: true }), one => one.message.content));
  cell('ollama', 'abort', () => abandons(async signal => { const stream = await chat({ stream: true, options: { num_predict: 2000 } }); signal.addEventListener('abort', () => stream.abort()); return stream; }, () => chat({ options: { num_predict: 1 } })));
  cell('ollama', 'stop, seed, length', async () => assert.equal((await chat({ options: { temperature: 0, stop: [' the'], num_predict: 60, seed: 1 } })).done_reason, 'stop'));
  cell('ollama', 'models', async () => assert.equal((await ollama.list()).models[0].name, `${model}:latest`));
  cell('ollama', 'tools', async () => { const { message } = await chat({ messages: [{ role: 'user', content: ask }], tools }); assert.ok(message.content || message.tool_calls.every(one => one.function.name === 'weather')); });
  cell('ollama', 'structured output', async () => { assert.equal(typeof JSON.parse((await chat({ format: json, options: { num_predict: 60 } })).message.content).city, 'string'); JSON.parse((await chat({ format: 'json', options: { num_predict: 60 } })).message.content); });
  cell('ollama', 'logprobs', async () => assert.ok((await ollama.chat({ model, messages, logprobs: true, top_logprobs: 2, options: { num_predict: 3 } })).logprobs.length >= 3));
  cell('ollama', 'embeddings', async () => { assert.equal((await ollama.embed({ model, input: ['a', 'b'] })).embeddings.length, 2); assert.equal((await ollama.embeddings({ model, prompt: 'a' })).embedding.length, 576); });
  cell('ollama', 'keep_alive, load, unload', async () => { assert.equal((await ollama.generate({ model, prompt: '', keep_alive: '5m' })).done_reason, 'load'); textOf((await chat({ keep_alive: -1 })).message.content); });
  cell('ollama', 'raw, system, context', async () => {
    const first = await ollama.generate({ model, prompt: 'Say hello.', system: 'Be brief.', options: { num_predict: 8 } });
    assert.ok((await ollama.generate({ model, prompt: 'Again.', context: first.context, options: { num_predict: 8 } })).prompt_eval_count > first.context.length);
    textOf((await ollama.generate({ model, prompt: 'The sky is', raw: true, options: { num_predict: 8 } })).response);
  });
  cell('ollama', 'suffix', () => refused(() => ollama.generate({ model, prompt: 'a', suffix: 'b' }), /does not support insert/));
  cell('ollama', 'show, ps, create, copy, delete', async () => {
    assert.ok((await ollama.show({ model })).capabilities.includes('completion'));
    assert.equal((await ollama.ps()).models.length, 1);
    await ollama.create({ model: 'pirate', from: model, system: 'You are a pirate.', parameters: { temperature: 0 } });
    assert.equal((await ollama.show({ model: 'pirate' })).system, 'You are a pirate.');
    await ollama.copy({ source: 'pirate', destination: 'corsair' });
    textOf((await ollama.chat({ model: 'corsair', messages, options: { num_predict: 8 } })).message.content);
    for (const name of ['pirate', 'corsair']) await ollama.delete({ model: name });
    assert.equal((await ollama.list()).models.length, 1);
    assert.equal((await ollama.pull({ model })).status, 'success');
  });
  cell('ollama', 'pictures', () => refused(() => chat({ messages: [{ role: 'user', content: 'x', images: [picture.split(',')[1]] }] }), /reads text only/));
  cell('ollama', 'wrong model, wrong key', async () => { await refused(() => chat({ model: 'llama3' }), /llama3.*not found/); await refused(() => new Ollama({ host: address }).list(), /API key/); });
}

// ---- ai, with its four providers
const providers = {
  '@ai-sdk/openai': [createOpenAI({ baseURL: `${address}/v1`, apiKey: key }), one => one(model), one => one.embedding(model)],
  '@ai-sdk/openai chat': [createOpenAI({ baseURL: `${address}/v1`, apiKey: key }), one => one.chat(model), null],
  '@ai-sdk/openai-compatible': [createOpenAICompatible({ name: 'edgellm', baseURL: `${address}/v1`, apiKey: key, supportsStructuredOutputs: true }), one => one(model), one => (one.embeddingModel ?? one.textEmbeddingModel)(model)],
  '@ai-sdk/anthropic': [createAnthropic({ baseURL: `${address}/v1`, apiKey: key }), one => one(model), null],
  'ollama-ai-provider-v2': [createOllama({ baseURL: `${address}/api`, headers }), one => one(model), one => one.textEmbeddingModel?.(model) ?? one.embedding(model)],
};
for (const [name, [provider, of, embedding]] of Object.entries(providers)) {
  const common = { model: of(provider), maxRetries: 0, maxOutputTokens: 24 };
  const weather = tool({ description: 'The weather of a city.', inputSchema: z.object({ city: z.string().max(20) }) });
  cell(name, 'chat', async () => textOf((await generateText({ ...common, messages: messages.slice(1), instructions: 'Be brief.' })).text));
  cell(name, 'stream', async () => { await gather(streamText({ ...common, prompt: 'Why is the sky blue?' }).textStream, one => one); });
  cell(name, 'abort', () => abandons(abortSignal => streamText({ ...common, maxOutputTokens: 2000, prompt: 'A long story.', abortSignal, onError: () => {} }).textStream, () => generateText({ ...common, prompt: 'Hi' })));
  cell(name, 'tools', async () => {
    const isOllama = name.startsWith('ollama'); // its API has no tool_choice
    const { toolCalls, text } = await generateText({ ...common, maxOutputTokens: 150, prompt: ask, tools: { weather }, ...(isOllama ? {} : { toolChoice: 'required' }) });
    if (isOllama) assert.ok(text.length > 0 || toolCalls.length > 0);
    else assert.equal(typeof toolCalls[0].input.city, 'string');
    if (!isOllama) assert.equal((await generateText({ ...common, maxOutputTokens: 150, prompt: ask, tools: { weather }, toolChoice: { type: 'tool', toolName: 'weather' } })).toolCalls[0].toolName, 'weather');
  });
  cell(name, 'structured output', async () => shape.parse((await generateText({ ...common, maxOutputTokens: 200, prompt: ask, output: Output.object({ schema: shape }) })).output));
  if (embedding) cell(name, 'embeddings', async () => { assert.equal((await embed({ model: embedding(provider), value: 'a' })).embedding.length, 576); assert.equal((await embedMany({ model: embedding(provider), values: ['a', 'b'] })).embeddings.length, 2); });
  cell(name, 'pictures', () => refused(() => generateText({ ...common, messages: [{ role: 'user', content: [{ type: 'text', text: 'x' }, { type: 'image', image: picture }] }] }), /text only|Bad Request|image/i));
  cell(name, 'wrong model, wrong key', () => refused(() => generateText({ ...common, model: name.endsWith('chat') ? provider.chat('gpt-4') : provider('gpt-4'), prompt: 'x' }), /gpt-4|Not Found/));
}

// ---- LangChain
if (ChatOpenAI) {
  const configuration = { baseURL: `${address}/v1` };
  const weather = chainTool(async () => 'sunny', { name: 'weather', description: 'The weather of a city.', schema: z.object({ city: z.string().max(20) }) });
  const openai = (more = {}) => new ChatOpenAI({ model, apiKey: key, configuration, temperature: 0, maxTokens: 24, maxRetries: 0, ...more });
  const ollama = (more = {}) => new ChatOllama({ model, baseUrl: address, headers, temperature: 0, numPredict: 24, maxRetries: 0, ...more });
  for (const [name, make] of [['@langchain/openai', openai], ['@langchain/openai responses', more => openai({ useResponsesApi: true, ...more })], ['@langchain/ollama', ollama]]) {
    cell(name, 'chat', async () => textOf((await make().invoke([['system', 'Be brief.'], ['human', 'Why is the sky blue?']])).text));
    cell(name, 'stream', async () => { await gather(await make().stream('Why is the sky blue?'), one => one.text); });
    cell(name, 'abort', () => abandons(signal => make({ maxTokens: 2000, numPredict: 2000 }).stream('A long story', { signal }), () => make().invoke('Hi')));
    cell(name, 'tools', async () => {
      const isOllama = name.endsWith('ollama');
      const answer = await make({ maxTokens: 150, numPredict: 150 }).bindTools([weather], isOllama ? {} : { tool_choice: 'weather' }).invoke(ask);
      if (isOllama) assert.ok(answer.text.length > 0 || answer.tool_calls.length > 0);
      else assert.equal(typeof answer.tool_calls[0].args.city, 'string');
    });
    cell(name, 'structured output', async () => shape.parse(await make({ maxTokens: 100, numPredict: 100 }).withStructuredOutput(shape, { method: 'jsonSchema' }).invoke(ask)));
    cell(name, 'wrong model, wrong key', () => refused(() => make({ model: 'gpt-4' }).invoke('x'), /gpt-4/));
  }
  cell('@langchain/openai', 'n 2', async () => assert.equal((await openai({ n: 2, temperature: 1 }).generate([[['human', 'Hi']]])).generations[0].length, 2));
  cell('@langchain/openai', 'logprobs', async () => assert.ok((await openai({ logprobs: true, topLogprobs: 2 }).invoke('Hi')).response_metadata.logprobs.content.length > 0));
  cell('@langchain/openai', 'embeddings', async () => assert.equal((await new OpenAIEmbeddings({ model, apiKey: key, configuration }).embedDocuments(['a', 'b'])).length, 2));
  cell('@langchain/openai', 'completions, fill-in-the-middle', async () => textOf(await new ChainOpenAI({ model, apiKey: key, configuration, maxTokens: 12, temperature: 0 }).invoke('The sky is')));
  cell('@langchain/ollama', 'embeddings', async () => assert.equal((await new OllamaEmbeddings({ model, baseUrl: address, headers }).embedDocuments(['a', 'b'])).length, 2));
  cell('@langchain/ollama', 'raw, system, context', async () => textOf(await new ChainOllama({ model, baseUrl: address, headers, numPredict: 12 }).invoke('The sky is')));
  cell('@langchain/ollama', 'stop, seed, length', async () => textOf((await ollama({ topK: -1, repeatPenalty: 0, numCtx: 32768, keepAlive: '5m', mirostat: 0 }).invoke('Hi')).text)); // n8n's "off"
}

// ---- LlamaIndex
if (IndexOllama) {
  const index = new IndexOllama({ model, config: { host: address, headers }, options: { num_predict: 24, temperature: 0 } });
  cell('@llamaindex/ollama', 'chat', async () => textOf((await index.chat({ messages: [{ role: 'user', content: 'Why is the sky blue?' }] })).message.content));
  cell('@llamaindex/ollama', 'stream', async () => { await gather(await index.chat({ messages: [{ role: 'user', content: 'Why is the sky blue?' }], stream: true }), one => one.delta); });
  cell('@llamaindex/ollama', 'raw, system, context', async () => textOf((await index.complete({ prompt: 'The sky is' })).text));
  cell('@llamaindex/ollama', 'embeddings', async () => assert.equal((await new OllamaEmbedding({ model, config: { host: address, headers } }).getTextEmbedding('a')).length, 576));
}

// ---- Continue
for (const provider of constructLlmApi ? ['openai', 'ollama', 'lmstudio', 'llama.cpp', 'vllm', 'msty'] : []) {
  const base = provider === 'ollama' ? address : `${address}/v1/`;
  const api = constructLlmApi({ provider, apiBase: base, apiKey: key });
  const name = `continue ${provider}`;
  const body = { model, messages, temperature: 0, max_tokens: 16 };
  const never = () => new AbortController().signal;
  cell(name, 'chat', async () => textOf((await api.chatCompletionNonStream({ ...body, stream: false }, never())).choices[0].message.content));
  cell(name, 'stream', async () => { await gather(api.chatCompletionStream({ ...body, stream: true }, never()), one => one.choices[0]?.delta.content); });
  cell(name, 'models', async () => { const found = await api.list().catch(error => { if (/not (implemented|supported)/i.test(error.message)) return null; throw error; }); if (found) assert.equal(found[0].id, model); });
  cell(name, 'completions, fill-in-the-middle', async () => textOf((await api.completionNonStream({ model, prompt: 'The sky is', max_tokens: 12, stream: false }, never())).choices[0].text));
  cell(name, 'embeddings', async () => assert.equal((await api.embed({ model, input: ['a', 'b'] })).data.length, 2));
}

// ---- Anthropic
{
  const anthropic = new Anthropic({ baseURL: address, apiKey: key, maxRetries: 0 });
  const create = (more = {}, options) => anthropic.messages.create({ model, max_tokens: 24, temperature: 0, system: 'Be brief.', messages: [{ role: 'user', content: 'Why is the sky blue?' }], ...more }, options);
  const tools = [{ name: 'weather', description: 'The weather of a city.', input_schema: json }];
  cell('@anthropic-ai/sdk', 'chat', async () => textOf((await create()).content[0].text));
  cell('@anthropic-ai/sdk', 'stream', async () => {
    const stream = anthropic.messages.stream({ model, max_tokens: 24, temperature: 0, system: 'Be brief.', messages: [{ role: 'user', content: 'Why is the sky blue?' }] });
    assert.equal(await stream.finalText(), (await create()).content[0].text);
  });
  cell('@anthropic-ai/sdk', 'abort', () => abandons(signal => create({ stream: true, max_tokens: 2000 }, { signal }), () => create({ max_tokens: 1 })));
  cell('@anthropic-ai/sdk', 'stop, seed, length', async () => assert.equal((await create({ stop_sequences: [' the'], max_tokens: 80 })).stop_reason, 'stop_sequence'));
  cell('@anthropic-ai/sdk', 'tools', async () => {
    for (const tool_choice of [{ type: 'any' }, { type: 'tool', name: 'weather' }]) assert.equal(typeof (await create({ max_tokens: 150, tools, tool_choice })).content.find(one => one.type === 'tool_use').input.city, 'string');
  });
  cell('@anthropic-ai/sdk', 'count tokens', async () => assert.ok((await anthropic.messages.countTokens({ model, messages: [{ role: 'user', content: 'Hi' }] })).input_tokens > 3));
  cell('@anthropic-ai/sdk', 'models', async () => assert.equal((await anthropic.models.list()).data[0].id, model));
  cell('@anthropic-ai/sdk', 'pictures', () => refused(() => create({ messages: [{ role: 'user', content: [{ type: 'image', source: { type: 'base64', media_type: 'image/png', data: picture.split(',')[1] } }] }] }), /text only/));
  cell('@anthropic-ai/sdk', 'wrong model, wrong key', async () => { await refused(() => create({ model: 'claude-3' }), /claude-3/); await refused(() => new Anthropic({ baseURL: address, apiKey: 'wrong', maxRetries: 0 }).models.list(), /401|API key/); });
}

let failed = 0, run = 0;
for (const { client, feature, run: tries } of cells) {
  if (only && !new RegExp(only).test(`${client}: ${feature}`)) continue;
  const start = performance.now();
  run++;
  try {
    await tries();
    console.log(`ok      ${client}: ${feature} (${((performance.now() - start) / 1000).toFixed(1)} s)`);
  } catch (error) {
    failed++;
    console.log(`FAILED  ${client}: ${feature}\n        ${error.stack?.split('\n').slice(0, 4).join('\n        ')}\n        ${JSON.stringify(error.responseBody ?? error.error ?? error.cause?.message ?? '').slice(0, 400)}`);
  }
}
console.log(`node ${process.version}: ${run - failed} cells work or are refused by name, ${failed} fail${left.length > 0 ? `; left out: ${left.join(', ')}` : ''}`);
process.exit(failed ? 1 : 0);
