// The load, the kills and the comparison of tools/test-fleet.
import { spawn, execFileSync } from 'node:child_process';
import { openSync } from 'node:fs';

const [program, model, folder, workerKills, gatewayKills, restarts] = [...process.argv.slice(2, 5), ...process.argv.slice(5).map(Number)];
const gatewayPort = 11600, alonePort = 11610, clients = 8, patience = 180_000;
const gateway = `http://127.0.0.1:${gatewayPort}`;
const kernels = ['avx2', 'scalar', 'avx2'];
const processes = new Map();
let random = 12345; // fixed: the same order of kills each time
const next = most => (random = (Math.imul(random, 1103515245) + 12345) >>> 0) % most;
const sleep = milliseconds => new Promise(resolve => setTimeout(resolve, milliseconds));

function start(name, port, options, kernel) {
  const log = openSync(`${folder}/${name}.log`, 'a');
  const child = spawn(program, ['serve', '--model', model, '--name', 'model', '--models', 'none', '--listen', `127.0.0.1:${port}`, '--threads', '1', '--parallel', '4', '--queue', '64',
    '--keys-file', 'none', '--state', `${folder}/${name}`, ...options], { stdio: ['ignore', log, log], env: { ...process.env, EDGELLM_KERNEL: kernel } });
  processes.set(name, child);
  return child;
}

const startWorker = i => start(`worker${i}`, gatewayPort + 1 + i, ['--worker', '--fleet-name', `w${i}`, '--broker-file', `${folder}/worker`], kernels[i]);
const startGateway = () => start('gateway', gatewayPort, ['--gateway', '--fleet-name', 'g', '--broker-file', `${folder}/gateway`], 'avx2');

async function ready(address) {
  for (let i = 0; i < 600; i++) {
    try {
      if ((await fetch(`${address}/health/ready`)).ok) return;
    } catch { /* not yet */ }
    await sleep(100);
  }
  throw new Error(`${address} is not ready`);
}

// A streamed answer's text; an exception where it does not end.
async function ask(address, request, key) {
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
// One that is asked again by its key after the end is the same, and at once.
const before = Date.now(), again = await ask(gateway, requests[0], 'again'), same = await ask(gateway, requests[0], 'again');
if (again !== expected[0] || same !== expected[0]) different++;
for (const child of processes.values()) child.kill('SIGKILL');
console.log(`${workersKilled} workers and ${gatewaysKilled} gateways killed, the broker restarted ${restarted} times: ${answered} answers, ${lost} lost, ${different} different or doubled; `
  + `${retried} retries (${[...problems].map(([what, count]) => `${count} x ${what}`).join(', ')}); twice by one key in ${Date.now() - before} ms`);
process.exit(lost || different || !answered ? 1 : 0);
