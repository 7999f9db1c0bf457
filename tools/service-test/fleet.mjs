// The load, the kills and the comparison of tools/test-fleet.
import { spawn, execFileSync } from 'node:child_process';
import { existsSync, openSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const [program, model, folder, workerKills, gatewayKills, restarts] = [...process.argv.slice(2, 5), ...process.argv.slice(5).map(Number)];
const gatewayPort = 11600, alonePort = 11610, clients = 8, patience = 180_000;
const gateway = `http://127.0.0.1:${gatewayPort}`;
const kernels = ['avx2', 'scalar', 'avx2'];
const processes = new Map();
let random = 12345; // fixed: the same order of kills each time
const next = most => (random = (Math.imul(random, 1103515245) + 12345) >>> 0) % most;
const sleep = milliseconds => new Promise(resolve => setTimeout(resolve, milliseconds));

function start(name, port, options, kernel, file = model) {
  const log = openSync(`${folder}/${name}.log`, 'a');
  const child = spawn(program, ['serve', '--model', file, '--name', 'model', '--models', 'none', '--listen', `127.0.0.1:${port}`, '--threads', '1', '--parallel', '4', '--queue', '64',
    '--chat-template', 'chatml', '--keys-file', 'none', '--state', `${folder}/${name}`, ...options], { stdio: ['ignore', log, log], env: { ...process.env, EDGELLM_KERNEL: kernel } });
  processes.set(name, child);
  return child;
}

const secure = ['--broker-ca', `${folder}/ca.pem`]; // worker 2 and the gateway reach the broker by amqps, workers 0 and 1 as they are
const startWorker = i => start(`worker${i}`, gatewayPort + 1 + i,
  ['--worker', '--fleet-name', `w${i}`, '--broker-file', `${folder}/worker${i === 2 ? '-tls' : ''}`, ...i === 2 ? secure : []], kernels[i]);
const startGateway = () => start('gateway', gatewayPort, ['--gateway', '--fleet-name', 'g', '--broker-file', `${folder}/gateway-tls`, ...secure], 'avx2');

async function ready(address) {
  for (let i = 0; i < 600; i++) {
    try {
      if ((await fetch(`${address}/health/ready`)).ok) return;
    } catch { /* not yet */ }
    await sleep(100);
  }
  throw new Error(`${address} is not ready`);
}

const light = { type: 'object', properties: { on: { type: 'boolean' }, room: { enum: ['hall', 'attic'] } }, required: ['on', 'room'], additionalProperties: false };

// A chat's text, calls (without their ids, which are drawn) and probabilities; streamed or not.
async function askChat(address, request, key) {
  const response = await fetch(`${address}/v1/chat/completions`, {
    method: 'POST', body: JSON.stringify({ model: 'model', ...request }), headers: key ? { 'Idempotency-Key': key } : {}, signal: AbortSignal.timeout(patience),
  });
  const body = await response.text();
  if (!response.ok) throw new Error(`${response.status} ${body.slice(0, 200)}`);
  let text = '', reason, calls = [], probabilities = [];
  const add = message => {
    text += message.content ?? '';
    for (const [i, call] of (message.tool_calls ?? []).entries()) {
      const at = calls[call.index ?? i] ??= { name: '', arguments: '' };
      at.name += call.function.name ?? '';
      at.arguments += call.function.arguments ?? '';
    }
  };
  if (request.stream) {
    const events = body.split('\n\n').filter(event => event.startsWith('data: ')).map(event => event.slice(6));
    if (events.pop() !== '[DONE]') throw new Error('the stream ended before the answer');
    for (const event of events.map(JSON.parse)) {
      if (event.error) throw new Error(event.error.message);
      for (const choice of event.choices) {
        add(choice.delta);
        probabilities.push(...choice.logprobs?.content ?? []);
        reason = choice.finish_reason ?? reason;
      }
    }
  } else {
    const choice = JSON.parse(body).choices[0];
    add(choice.message);
    probabilities = choice.logprobs?.content ?? [];
    reason = choice.finish_reason;
  }
  if (request.tool_choice && request.tool_choice !== 'auto') {
    if (reason !== 'tool_calls' || !calls.length) throw new Error('no call came, and one was required');
    for (const call of calls) {
      const given = JSON.parse(call.arguments);
      if (call.name !== 'light' || typeof given.on !== 'boolean' || !['hall', 'attic'].includes(given.room)) throw new Error(`a call that does not fit: ${JSON.stringify(call)}`);
    }
  }
  if (request.logprobs && !probabilities.length) throw new Error('no probabilities came');
  return JSON.stringify({ text, calls, reason, probabilities });
}

// A streamed answer's text; an exception where it does not end.
async function ask(address, request, key) {
  if (request.messages) return askChat(address, request, key);
  const response = await fetch(`${address}/api/generate`, {
    method: 'POST', body: JSON.stringify({ model: 'model', raw: true, stream: true, ...request }), headers: key ? { 'Idempotency-Key': key } : {}, signal: AbortSignal.timeout(patience),
  });
  const body = await response.text();
  if (!response.ok) throw new Error(`${response.status} ${body.slice(0, 200)}`);
  let text = '', done = false;
  for (const line of body.split('\n').filter(line => line)) {
    const part = JSON.parse(line);
    if (part.error) throw new Error(part.error);
    text += part.response ?? '';
    done ||= part.done;
  }
  if (!done) throw new Error('the stream ended before the answer');
  return text;
}

const requests = Array.from({ length: 12 }, (_, i) => ({
  prompt: ['Once upon a time', 'Tom had a red ball', 'The little dog', 'One day, Lily'][i % 4] + (i < 8 ? '' : ' and ' + 'the big tree said to the small bird that '.repeat(3)),
  options: { num_predict: 300 + 10 * i, seed: 1000 + i, temperature: i % 3 ? 0.9 : 0 },
}));
// Chats with tools: the gateway renders them, the worker holds the answer to the calls, the gateway reads them. Whether a model of 260,000 weights calls one on its own is not asked.
for (const [i, choice] of ['required', { type: 'function', function: { name: 'light' } }, 'auto'].entries()) {
  for (const stream of [true, false]) {
    requests.push({
      stream, seed: 2000 + i, max_tokens: 120, tool_choice: choice, parallel_tool_calls: false, messages: [{ role: 'user', content: 'Light!' }],
      tools: [{ type: 'function', function: { name: 'light', parameters: light } }],
    });
  }
}

for (const stream of [true, false]) requests.push({ stream, seed: 3000, max_tokens: 200, logprobs: true, top_logprobs: 3, messages: [{ role: 'user', content: 'A story!' }] });

start('alone', alonePort, [], 'avx2');
await ready(`http://127.0.0.1:${alonePort}`);
const expected = [];
for (const request of requests) expected.push(await ask(`http://127.0.0.1:${alonePort}`, request));
processes.get('alone').kill('SIGKILL');

for (let i = 0; i < kernels.length; i++) startWorker(i);
startGateway();
await ready(gateway);

let running = true, answered = 0, lost = 0, different = 0, retried = 0;
const problems = new Map();
async function client(number) {
  for (let count = 0; running; count++) {
    const i = (number * 5 + count) % requests.length, key = `${number}-${count}`, begin = Date.now();
    while (true) {
      try {
        const text = await ask(gateway, requests[i], key);
        answered++;
        if (text !== expected[i]) {
          different++;
          console.error(`different: request ${i}\n  ${JSON.stringify(text)}\n  ${JSON.stringify(expected[i])}`);
        }
        break;
      } catch (error) {
        const what = String(error.cause?.code ?? error.message);
        problems.set(what, (problems.get(what) ?? 0) + 1);
        retried++;
        if (Date.now() - begin > patience) {
          lost++;
          console.error(`lost: request ${i}: ${what}`);
          break;
        }
        await sleep(200);
      }
    }
  }
}

const load = Array.from({ length: clients }, (_, number) => client(number));
await sleep(2000);
let workersKilled = 0, gatewaysKilled = 0, restarted = 0;
while (workersKilled < workerKills || gatewaysKilled < gatewayKills || restarted < restarts) {
  await sleep(500 + next(1500));
  if (workersKilled < workerKills) {
    const i = next(kernels.length);
    processes.get(`worker${i}`).kill('SIGKILL');
    workersKilled++;
    await sleep(100 + next(500));
    startWorker(i);
  }
  const share = workerKills ? workersKilled / workerKills : 1;
  if (gatewaysKilled < Math.ceil(gatewayKills * share)) {
    processes.get('gateway').kill('SIGKILL');
    gatewaysKilled++;
    await sleep(200);
    startGateway();
    await ready(gateway);
    await sleep(1500);
  }
  if (restarted < restarts && share >= 0.5) {
    execFileSync(`${folder}/restart`);
    restarted++;
    await sleep(3000);
  }
}
await sleep(2000);
running = false;
await Promise.all(load);
// The authority of another one is no authority: one line, again and again in silence, and its own clients are served.
const stranger = start('stranger', gatewayPort + 5, ['--worker', '--fleet-name', 'stranger', '--broker-file', `${folder}/worker-tls`, '--broker-ca', `${folder}/other-ca.pem`], 'avx2');
await ready(`http://127.0.0.1:${gatewayPort + 5}`);
await sleep(5000);
const lines = readFileSync(`${folder}/stranger.log`, 'utf8').split('\n').filter(line => line.includes('the broker at'));
if (lines.length !== 1 || !lines[0].includes("can't be used") || stranger.exitCode !== null) different++, console.error(`with a wrong authority: ${JSON.stringify(lines)}`);
if (await ask(`http://127.0.0.1:${gatewayPort + 5}`, requests[0]) !== expected[0]) different++;
stranger.kill('SIGKILL');
// One that is asked again by its key after the end is the same, and at once.
const before = Date.now(), again = await ask(gateway, requests[0], 'again'), same = await ask(gateway, requests[0], 'again');
if (again !== expected[0] || same !== expected[0]) different++;
for (const child of processes.values()) child.kill('SIGKILL');
// A job at which its worker dies each time ends in one error for its client, and the fleet goes on. With a model that takes seconds for it, so that it can be caught.
const slow = join(dirname(model), 'SmolLM2-135M-Instruct.Q4_1.gguf');
let deaths = 0;
async function deadlyJob() {
  const worker = () => start('last', gatewayPort + 6, ['--worker', '--fleet-name', 'last', '--broker-file', `${folder}/worker`], 'scalar', slow);
  const address = `http://127.0.0.1:${gatewayPort + 6}`, slowGateway = `http://127.0.0.1:${gatewayPort + 7}`;
  start('last-gateway', gatewayPort + 7, ['--gateway', '--fleet-name', 'last', '--broker-file', `${folder}/gateway`], 'avx2', slow);
  worker();
  await ready(address);
  await ready(slowGateway);
  let outcome = null;
  const asked = ask(slowGateway, { prompt: 'A deadly job', options: { num_predict: 400, seed: 1, temperature: 1 } }).then(text => outcome = { text }, error => outcome = { error: error.message });
  for (const begin = Date.now(); !outcome && Date.now() - begin < patience;) {
    let slots = [];
    try {
      slots = await (await fetch(`${address}/slots`)).json();
    } catch { /* it is starting */ }
    if (slots.some(slot => slot.is_processing)) {
      processes.get('last').kill('SIGKILL');
      deaths++;
      await sleep(100);
      worker();
    }
    await sleep(5);
  }
  await asked;
  if (!outcome.error?.includes('no worker of the fleet could compute this request')) throw new Error(`a deadly job ended in ${JSON.stringify(outcome)} after ${deaths} deaths`);
  await ready(address);
  if (!await ask(slowGateway, { prompt: 'Another', options: { num_predict: 3, seed: 1 } })) throw new Error('after a deadly job nothing is answered');
}
if (existsSync(slow)) {
  await deadlyJob().catch(error => {
    different++;
    console.error(error.message);
  });
}
for (const child of processes.values()) child.kill('SIGKILL');
console.log(`${workersKilled} workers and ${gatewaysKilled} gateways killed, the broker restarted ${restarted} times: ${answered} answers, ${lost} lost, ${different} different or doubled; `
  + `${retried} retries (${[...problems].map(([what, count]) => `${count} x ${what}`).join(', ')}); twice by one key in ${Date.now() - before} ms; a job that was its worker's death ended in an error after ${deaths}`);
process.exit(lost || different || !answered ? 1 : 0);
