// Many clients at once, with aborts, slow readers and malformed bodies: every finished answer has to be the one that its request gets alone.
//   node soak.mjs ADDRESS SECONDS [PROCESS_ID, whose memory has to stay flat]
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import http from 'node:http';

const [address, seconds, processId] = process.argv.slice(2);
const clients = 16;
const agent = new http.Agent({ keepAlive: true, maxSockets: 64 });

function send(path, body, onPiece = () => {}) {
  return new Promise((resolve, reject) => {
    const request = http.request(address.replace(/\/$/, '') + path, { method: 'POST', agent, headers: { 'Content-Type': 'application/json' } }, async response => {
      try {
        let text = '';
        response.setEncoding('utf8');
        for await (const piece of response) { text += piece; if (await onPiece(text, request) === false) { request.destroy(); return resolve({ aborted: true }); } }
        resolve({ status: response.statusCode, headers: response.headers, text });
      } catch (error) { reject(error); }
    });
    request.on('error', reject);
    request.end(body);
  });
}

const model = JSON.parse(await (await fetch(`${address}/v1/models`)).text()).data[0].id;
const topics = ['the sea', 'iron', 'bread', 'a clock', 'rain', 'the moon', 'salt', 'a bridge'];
const requests = topics.map((topic, i) => JSON.stringify({
  model, seed: i, temperature: i % 2 ? 0.9 : 0, max_tokens: 6 + 3 * i, stream: i % 3 === 0,
  messages: [{ role: 'system', content: 'Be brief.' }, { role: 'user', content: `Tell me about ${topic}.` }],
}));
const textOf = ({ text }) => text.startsWith('data:')
  ? text.split('\n\n').filter(event => event.startsWith('data: {')).map(event => JSON.parse(event.slice(6)).choices[0]?.delta.content ?? '').join('')
  : JSON.parse(text).choices[0].message.content;

const alone = [];
for (const request of requests) alone.push(textOf(await send('/v1/chat/completions', request)));
const memory = () => processId ? Number(/RssAnon:\s+(\d+)/.exec(readFileSync(`/proc/${processId}/status`, 'utf8'))[1]) / 1024 : 0;

const counts = { finished: 0, refused: 0, aborted: 0, slow: 0, malformed: 0 };
const end = Date.now() + seconds * 1000;
const wait = milliseconds => new Promise(resolve => setTimeout(resolve, milliseconds));
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
    if (kind === 2) {
      const body = JSON.stringify({ ...JSON.parse(requests[i]), stream: true, max_tokens: 400 });
      const result = await send('/v1/chat/completions', body, text => !text.includes('content'));
      if (result.aborted) counts.aborted++;
      else await refused(result);
      continue;
    }
    const result = await send('/v1/chat/completions', requests[i], kind === 3 ? () => wait(50) : undefined);
    if (result.status === 429) { await refused(result); continue; }
    assert.equal(result.status, 200, result.text);
    assert.equal(textOf(result), alone[i], `request ${i}`);
    counts.finished++;
    if (kind === 3) counts.slow++;
  }
}

async function refused({ status, headers }) {
  assert.equal(status, 429);
  assert.ok(Number(headers['retry-after']) >= 1);
  counts.refused++;
  await wait(200);
}

// The contexts of the conversations fill once; what grows after a third of the time would be a leak.
let early = 0;
const sample = setTimeout(() => { early = memory(); }, seconds * 1000 / 3);
await Promise.all(Array.from({ length: clients }, (_, number) => client(number)));
clearTimeout(sample);
const late = memory();
console.log(`${clients} clients, ${seconds} s:`, JSON.stringify(counts), processId ? `anonymous memory ${early.toFixed(0)} MB after a third, ${late.toFixed(0)} MB at the end` : '');
assert.ok(counts.finished > 0 && counts.aborted > 0 && counts.malformed > 0 && counts.slow > 0 && counts.refused > 0, 'a kind of client did not get to do its work');
assert.ok(!processId || late < early * 1.1 + 8, 'memory grows');
process.exit(0);
