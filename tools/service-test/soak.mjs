// Many clients at once, with aborts, slow readers and malformed bodies, tools and schemas among them: every finished answer has to be the one that its request gets alone, what is
// refused says when to come again, memory stays flat, and when all have left no descriptor is left over.
//   node soak.mjs ADDRESS SECONDS PROCESS_ID [--clients N] [--idle ADDRESS] [--embeddings MODEL]
//     --idle: 512 connections from that address that never say anything; --embeddings: vectors of that model, too, and all models but the first are unloaded now and then
import assert from 'node:assert/strict';
import { readFileSync, readdirSync, readlinkSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { parseArgs } from 'node:util';

const { positionals: [address, secondsText, processId], values } = parseArgs({
  allowPositionals: true, options: { clients: { type: 'string', default: '128' }, idle: { type: 'string' }, embeddings: { type: 'string' } },
});
const seconds = Number(secondsText), clients = Number(values.clients), long = seconds >= 180;
const { hostname, port } = new URL(address);
const agent = new http.Agent({ keepAlive: true, maxSockets: 2 * clients });
const wait = milliseconds => new Promise(resolve => setTimeout(resolve, milliseconds));

function send(path, body, onPiece = () => {}) {
  const begun = performance.now();
  return new Promise((resolve, reject) => {
    const request = http.request({ hostname, port, path, method: 'POST', agent, headers: { 'Content-Type': 'application/json' } }, async response => {
      try {
        let text = '';
        let first; // bytes of text, not the headers and the empty piece that come at once
        response.setEncoding('utf8');
        for await (const piece of response) { text += piece; if (first === undefined && /"(content|name)":"[^"]/.test(text)) first = performance.now() - begun; if (await onPiece(text, request) === false) { request.destroy(); return resolve({ aborted: true }); } }
        resolve({ status: response.statusCode, headers: response.headers, text, first });
      } catch (error) { reject(error); }
    });
    // A kept connection may be closed by the service before the next request comes: clients send it again on another one.
    request.on('error', error => { if (request.reusedSocket && error.code === 'ECONNRESET') resolve(send(path, body, onPiece)); else reject(error); });
    request.end(body);
  });
}

const models = JSON.parse(await (await fetch(`${address}/v1/models`)).text()).data.map(model => model.id).filter(name => name !== values.embeddings), model = models[0];
const topics = ['the sea', 'iron', 'bread', 'a clock', 'rain', 'the moon', 'salt', 'a bridge'];
const requests = topics.map((topic, i) => JSON.stringify({
  model: models[i % models.length], seed: i, temperature: i % 2 ? 0.9 : 0, max_tokens: 4 + 2 * i, stream: i % 3 === 0,
  messages: [{ role: 'system', content: 'Be brief.' }, { role: 'user', content: `Tell me about ${topic}.` }],
}));
const light = { type: 'object', properties: { room: { enum: ['hall', 'attic'] }, on: { type: 'boolean' }, percent: { type: 'integer', minimum: 0, maximum: 100 } }, required: ['room', 'on', 'percent'], additionalProperties: false };
for (const stream of [true, false]) {
  const asked = { model, seed: 20, temperature: 1, max_tokens: 60, stream, messages: [{ role: 'user', content: 'Light the attic.' }] };
  requests.push(JSON.stringify({ ...asked, response_format: { type: 'json_schema', json_schema: { name: 'light', strict: true, schema: light } } }));
  requests.push(JSON.stringify({ ...asked, tool_choice: 'required', parallel_tool_calls: false, tools: [{ type: 'function', function: { name: 'light', parameters: light, strict: true } }] }));
}
// Text and arguments of calls, streamed or not.
const said = message => (message.content ?? '') + (message.tool_calls ?? []).map(call => call.function.arguments ?? '').join('');
const textOf = ({ text }) => text.startsWith('data:') || text.startsWith(':')
  ? text.split('\n\n').filter(event => event.startsWith('data: {')).map(event => JSON.parse(event.slice(6)).choices[0]).map(choice => choice ? said(choice.delta) : '').join('')
  : said(JSON.parse(text).choices[0].message);

const alone = [];
for (const request of requests) alone.push(textOf(await send('/v1/chat/completions', request)));
const texts = topics.map((topic, i) => JSON.stringify({ model: values.embeddings, input: `Of ${topic}, told ${i + 1} times. `.repeat(1 + i % 4) }));
const vectorOf = ({ text }) => JSON.stringify(JSON.parse(text).data[0].embedding);
for (const [i, text] of alone.entries()) if (requests[i].includes('"light"')) assert.deepEqual(Object.keys(JSON.parse(text)).sort(), ['on', 'percent', 'room'], `not of the schema: ${text}`);
const vectors = [], firsts = [];
if (values.embeddings) for (const text of texts) vectors.push(vectorOf(await send('/v1/embeddings', text)));
agent.destroy();
await wait(500);
const memory = () => Number(/RssAnon:\s+(\d+)/.exec(readFileSync(`/proc/${processId}/status`, 'utf8'))[1]) / 1024;
// Without the libraries that a program that is compiled as it runs still opens.
const descriptors = () => readdirSync(`/proc/${processId}/fd`).filter(name => !linkOf(`/proc/${processId}/fd/${name}`).endsWith('.dll')).length;
const linkOf = path => { try { return readlinkSync(path); } catch { return ''; } };
const before = descriptors();

const end = Date.now() + seconds * 1000;
const counts = { finished: 0, formed: 0, ...(values.embeddings ? { vectors: 0, unloaded: 0 } : {}), refused: 0, aborted: 0, slow: 0, malformed: 0, idleClosed: 0 };
const idle = new Set();
function stayIdle() {
  if (Date.now() >= end) return; // a second ago it was not the end yet
  const socket = net.connect({ host: hostname, port, localAddress: values.idle });
  idle.add(socket);
  socket.on('error', () => {});
  socket.on('close', () => { idle.delete(socket); counts.idleClosed++; if (Date.now() < end) setTimeout(stayIdle, 1000); });
}
if (values.idle) for (let i = 0; i < 512; i++) stayIdle();
if (values.idle) await wait(1000);

const malformed = ['', '{', '[]', '{"model":1}', `{"model":"${model}","messages":[{"role":"user","content":"\\ud800"}],"max_tokens":1,"stop":{}}`, '\xff\xfe'.repeat(50), '{"a":'.repeat(500)];

async function client(number) {
  for (let round = 0; Date.now() < end; round++) {
    const i = (number * 3 + round) % requests.length, kind = (number + round) % 5;
    if (kind === 1) {
      const { status } = await send('/v1/chat/completions', malformed[round % malformed.length]);
      assert.equal(status, 400, 'a malformed body');
      counts.malformed++;
      continue;
    }
    if (values.embeddings && kind === 4) {
      const result = await send('/v1/embeddings', texts[i % texts.length]);
      if (result.status !== 200) { await refused(result); continue; }
      assert.equal(vectorOf(result), vectors[i % texts.length], `vector ${i}`);
      counts.vectors++;
      if (round % 4) continue;
      // While others use it: they end on it, and who comes next has it opened anew.
      const name = [...models.slice(1), values.embeddings][(number + round) % models.length];
      const { status, text } = await send('/api/generate', JSON.stringify({ model: name, keep_alive: 0, stream: false }));
      assert.ok(status === 200 || status === 503 || status === 429 || (name === values.embeddings && status === 400), `unloading ${name}: ${status}: ${text}`);
      counts.unloaded++;
      continue;
    }
    if (kind === 2) {
      const body = JSON.stringify({ ...JSON.parse(requests[i]), stream: true, max_tokens: 400 });
      const result = await send('/v1/chat/completions', body, text => !/"(content|arguments)":"/.test(text));
      if (result.aborted) counts.aborted++;
      else await refused(result);
      continue;
    }
    const result = await send('/v1/chat/completions', requests[i], kind === 3 ? () => wait(50) : undefined);
    if (result.status !== 200) { await refused(result); continue; }
    assert.equal(textOf(result), alone[i], `request ${i}`);
    counts.finished++;
    if (requests[i].includes('"light"')) counts.formed++;
    if (JSON.parse(requests[i]).stream) firsts.push(result.first);
    if (kind === 3) counts.slow++;
  }
}

function medianBetween(from, to) {
  const taken = looks.filter(look => look.at >= from && look.at <= to).map(look => look.megabytes).sort((a, b) => a - b);
  return taken[taken.length >> 1];
}

async function refused({ status, headers, text }) {
  assert.ok(status === 429 || status === 503, `${status}: ${text}`);
  assert.ok(Number(headers['retry-after']) >= 1);
  counts.refused++;
  await wait(200);
}

// The contexts of the conversations fill once; what grows after a third of the time would be a leak. Between two collections of garbage memory goes up and
// down by megabytes: medians of many looks around both moments.
const start = Date.now(), looks = [];
const looking = setInterval(() => looks.push({ at: (Date.now() - start) / 1000, megabytes: memory() }), 250);
await Promise.all(Array.from({ length: clients }, (_, number) => client(number)));
clearInterval(looking);
const early = medianBetween(seconds * 0.28, seconds * 0.39), late = medianBetween(seconds * 0.89, seconds);
agent.destroy();
for (const socket of idle) socket.destroy();
let after = descriptors();
for (let i = 0; i < 100 && after > before; i++) { await wait(100); after = descriptors(); }
console.log(`${clients} clients, ${seconds} s:`, JSON.stringify(counts), `anonymous memory ${early.toFixed(1)} MB after a third, ${late.toFixed(1)} MB at the end; ${before} descriptors before, ${after} after`);
firsts.sort((a, b) => a - b);
console.log(`time to the first byte of ${firsts.length} answers: median ${(firsts[firsts.length >> 1] / 1000).toFixed(2)} s, 99th percentile ${(firsts[Math.floor(firsts.length * 0.99)] / 1000).toFixed(2)} s (streamed ones)`);
console.log('anonymous memory in MB, medians of tenths of the time:', Array.from({ length: 10 }, (_, i) => medianBetween(seconds * i / 10, seconds * (i + 1) / 10)?.toFixed(1)).join(' '));
assert.ok(counts.aborted > 0 && counts.malformed > 0 && counts.refused > 0, 'a kind of client did not get to do its work');
assert.ok(counts.finished >= (long ? 200 : 1) && (!long || counts.formed > 0), 'too few answers');
// After a third of a short run not all eight contexts have been used, nor all prompts kept; and those of a model that is loaded and unloaded come and go.
assert.ok(late <= early * 1.05 + (values.embeddings ? 16 : 0) + (long ? 0 : 24), 'memory grows');
assert.ok(after <= before, 'descriptors are left over');
process.exit(0);
