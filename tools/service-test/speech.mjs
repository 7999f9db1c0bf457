// The npm client of OpenAI hears and speaks with a running service.   node speech.mjs http://127.0.0.1:11434 RECORDING.wav "its text"
import assert from 'node:assert/strict';
import fs from 'node:fs';
import OpenAI, { toFile } from 'openai';

const [address, recording, text] = process.argv.slice(2);
const openai = new OpenAI({ baseURL: `${address.replace(/\/$/, '')}/v1`, apiKey: process.env.EDGELLM_API_KEY ?? 'none', maxRetries: 0 });
const tests = [];
const test = (name, run) => tests.push([name, run]);
const file = () => fs.createReadStream(recording);
const say = (more = {}) => openai.audio.speech.create({ model: 'tts-1', voice: 'alloy', input: 'The kitchen lights are on.', ...more });
const bytes = async response => Buffer.from(await response.arrayBuffer());

test('a recording is transcribed, in every form', async () => {
  assert.equal((await openai.audio.transcriptions.create({ file: file(), model: 'whisper-1' })).text, text);
  assert.equal((await openai.audio.transcriptions.create({ file: file(), model: 'whisper-1', response_format: 'text' })).trim(), text);
  assert.match(await openai.audio.transcriptions.create({ file: file(), model: 'whisper-1', response_format: 'srt' }), /00:00:00,000 --> /);
  const verbose = await openai.audio.transcriptions.create({ file: file(), model: 'whisper-1', response_format: 'verbose_json', timestamp_granularities: ['word', 'segment'] });
  assert.equal(verbose.words.length, text.split(' ').length);
  assert.ok(verbose.segments.length >= 1 && verbose.duration > 3);
});
test('a recording is transcribed as a stream', async () => {
  let sum = '', end = null;
  for await (const event of await openai.audio.transcriptions.create({ file: file(), model: 'gpt-4o-mini-transcribe', stream: true })) {
    if (event.type === 'transcript.text.delta') sum += event.delta;
    else if (event.type === 'transcript.text.done') end = event.text;
  }
  assert.equal(sum, text);
  assert.equal(end, text);
});
test('what is wrong with a recording is said', async () => {
  await assert.rejects(openai.audio.translations.create({ file: file(), model: 'whisper-1' }), error => error.status === 400 && /does not translate/.test(error.message));
  await assert.rejects(async () => openai.audio.transcriptions.create({ file: await toFile(Buffer.from('ID3 and so on'), 'a.mp3'), model: 'whisper-1' }), error => error.status === 400 && /MP3/.test(error.message));
});
test('a text is spoken: wav without a format, flac and pcm have the same samples', async () => {
  const response = await say();
  assert.equal(response.headers.get('content-type'), 'audio/wav');
  const [wav, pcm, flac] = [await bytes(response), await bytes(await say({ response_format: 'pcm' })), await bytes(await say({ response_format: 'flac' }))];
  assert.equal(wav.toString('latin1', 0, 4), 'RIFF');
  assert.ok(pcm.length > 24000 && wav.subarray(44).equals(pcm));
  assert.equal(flac.toString('latin1', 0, 4), 'fLaC');
  assert.ok(flac.length < 0.7 * wav.length, `${flac.length} of ${wav.length} bytes`);
  fs.writeFileSync(process.env.EDGELLM_FLAC ?? '/dev/null', flac);
  assert.ok((await bytes(await say({ response_format: 'pcm', speed: 2 }))).length < 0.7 * pcm.length);
});
test('a text is spoken as events', async () => {
  const response = await say({ stream_format: 'sse', response_format: 'pcm' });
  const events = (await response.text()).split('\n\n').filter(Boolean).map(line => JSON.parse(line.replace(/^data: /, '')));
  assert.deepEqual([...new Set(events.map(event => event.type))], ['speech.audio.delta', 'speech.audio.done']);
  const sound = Buffer.concat(events.filter(event => event.audio).map(event => Buffer.from(event.audio, 'base64')));
  assert.ok(sound.equals(await bytes(await say({ response_format: 'pcm' }))));
});
test('what is wrong with a text is said', async () => {
  const refused = (more, pattern) => assert.rejects(say(more), error => error instanceof OpenAI.BadRequestError && pattern.test(error.message));
  await refused({ response_format: 'mp3' }, /response_format/);
  await refused({ input: 'x'.repeat(4097) }, /4,?096/);
  await refused({ input: '' }, /input/);
  await refused({ voice: 'nobody' }, /voice/);
  await refused({ instructions: 'whisper' }, /instructions/);
});
test('a client that leaves ends the work', async () => {
  const controller = new AbortController();
  const long = await openai.audio.speech.create({ model: 'tts-1', voice: 'alloy', input: 'One more sentence of many. '.repeat(150), response_format: 'pcm' }, { signal: controller.signal });
  await long.body.getReader().read();
  controller.abort();
  await bytes(await say()); // waits for its turn, which comes at once
});

let failed = 0;
for (const [name, run] of tests) {
  try {
    await run();
    console.log(`ok    ${name}`);
  } catch (error) {
    failed++;
    console.log(`FAIL  ${name}: ${error.stack ?? error}`);
  }
}
process.exit(failed ? 1 : 0);
