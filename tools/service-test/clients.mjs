// The npm clients of OpenAI and Ollama against a running service: plain, streamed, aborted, wrong.   node clients.mjs http://127.0.0.1:11434
import assert from 'node:assert/strict';
import OpenAI from 'openai';
import { Ollama } from 'ollama';

const address = process.argv[2].replace(/\/$/, '');
const openai = new OpenAI({ baseURL: `${address}/v1`, apiKey: process.env.EDGELLM_API_KEY ?? 'none', maxRetries: 0 });
const ollama = new Ollama({ host: address, headers: process.env.EDGELLM_API_KEY ? { Authorization: `Bearer ${process.env.EDGELLM_API_KEY}` } : {} });
const question = [{ role: 'user', content: 'Why is the sky blue?' }];
const tests = [];
const test = (name, run) => tests.push([name, run]);

const model = (await openai.models.list()).data[0].id;
const ask = (more = {}) => openai.chat.completions.create({ model, messages: question, temperature: 0, max_tokens: 24, ...more });
const chat = (more = {}) => ollama.chat({ model, messages: question, options: { temperature: 0, num_predict: 24 }, ...more });

test('openai: an answer, and the same again', async () => {
  const [first, second] = [await ask(), await ask()];
  assert.match(first.choices[0].message.content, /sky/i);
  assert.equal(first.choices[0].message.content, second.choices[0].message.content);
  assert.equal(first.usage.completion_tokens, 24);
  assert.equal(first.choices[0].finish_reason, 'length');
});
test('openai: a stream joins to the answer', async () => {
  let text = '', usage = null;
  for await (const chunk of await ask({ stream: true, stream_options: { include_usage: true } })) {
    text += chunk.choices[0]?.delta.content ?? '';
    usage = chunk.usage ?? usage;
  }
  assert.equal(text, (await ask()).choices[0].message.content);
  assert.equal(usage.completion_tokens, 24);
});
test('openai: the stream helper sees the end', async () => {
  const stream = openai.chat.completions.stream({ model, messages: question, max_tokens: 5, seed: 1 });
  const final = await stream.finalChatCompletion();
  assert.equal(final.choices[0].finish_reason, 'length');
});
test('openai: stop, seed', async () => {
  const stopped = await ask({ stop: [' blue'] });
  assert.equal(stopped.choices[0].finish_reason, 'stop');
  assert.ok(!stopped.choices[0].message.content.includes('blue'));
  const seeded = async () => (await ask({ temperature: 1.2, seed: 11 })).choices[0].message.content;
  assert.equal(await seeded(), await seeded());
});
test('openai: an aborted stream frees the engine', async () => {
  const stream = await ask({ stream: true, max_tokens: 2000 });
  for await (const chunk of stream) if (chunk.choices[0]?.delta.content) break; // leaving the loop aborts
  const start = performance.now();
  await ask({ max_tokens: 1 });
  assert.ok(performance.now() - start < 5000, 'the next answer waited');
});
test('openai: wrong requests', async () => {
  await assert.rejects(ask({ model: 'gpt-4' }), error => error instanceof OpenAI.NotFoundError && error.code === 'model_not_found');
  await assert.rejects(ask({ temperature: -1 }), error => error instanceof OpenAI.BadRequestError && error.param === 'temperature');
  await assert.rejects(ask({ messages: [] }), OpenAI.BadRequestError);
  await assert.rejects(ask({ messages: [{ role: 'user', content: 'x '.repeat(20000) }] }), error => error.code === 'context_length_exceeded');
  await assert.rejects(ask({ messages: [{ role: 'user', content: 'x'.repeat(3e6) }] }), error => error.status === 413);
});
test('openai: a model by its name', async () => assert.equal((await openai.models.retrieve(model)).id, model));

test('ollama: list and version', async () => {
  assert.equal((await ollama.list()).models[0].name, `${model}:latest`);
  assert.match((await ollama.version()).version, /^\d+\.\d+\.\d+$/);
});
test('ollama: chat, plain and streamed', async () => {
  const plain = await chat();
  assert.equal(plain.done_reason, 'length');
  let text = '', last = null;
  for await (const part of await chat({ stream: true })) { text += part.message.content; last = part; }
  assert.equal(text, plain.message.content);
  assert.equal(last.eval_count, 24);
});
test('ollama: generate, and its context', async () => {
  const first = await ollama.generate({ model, prompt: 'Say hello.', options: { temperature: 0, num_predict: 8 } });
  assert.ok(first.context.length > 8);
  const next = await ollama.generate({ model, prompt: 'Again.', context: first.context, options: { temperature: 0, num_predict: 8 } });
  assert.ok(next.prompt_eval_count > first.context.length);
});
test('ollama: an aborted stream frees the engine', async () => {
  const stream = await chat({ stream: true, options: { num_predict: 2000 } });
  await assert.rejects(async () => { for await (const part of stream) if (part.message.content) stream.abort(); }, { name: 'AbortError' });
  const start = performance.now();
  await chat({ options: { num_predict: 1 } });
  assert.ok(performance.now() - start < 5000, 'the next answer waited');
});
test('ollama: wrong requests', async () => {
  await assert.rejects(chat({ model: 'llama3' }), { status_code: 404, message: "model 'llama3' not found; the model here is 'SmolLM2-135M-Instruct'" });
  await assert.rejects(chat({ options: { top_p: 9 } }), { status_code: 400 });
  await assert.rejects(chat({ tools: [{ type: 'function', function: { parameters: {} } }] }), error => error.status_code === 400 && /name/.test(error.message));
});
test('ollama: tools for a model whose template knows none: an answer or a call of this tool', async () => {
  const tools = [{ type: 'function', function: { name: 'clock', description: 'Tells the time.', parameters: { type: 'object', properties: {} } } }];
  const { message } = await chat({ tools });
  assert.ok(message.content.length > 0 || message.tool_calls?.every(call => call.function.name === 'clock'));
});
test('health', async () => {
  for (const path of ['/health/live', '/health/ready']) assert.equal((await fetch(address + path)).status, 200);
});

let failed = 0;
for (const [name, run] of tests) {
  try { await run(); console.log(`ok      ${name}`); }
  catch (error) { failed++; console.log(`FAILED  ${name}\n${error.stack}`); }
}
console.log(`${tests.length - failed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
