// The assistant's page in Chromium against `edgellm serve --assistant --simulate`: what is typed is answered and shown, events come, the button for talking works on this machine
// and gives the microphone's sound.   node assistant-page.mjs ADDRESS [SCREENSHOT.png]
import assert from 'node:assert/strict';
import { chromium } from 'playwright-core';

const [address, screenshot] = process.argv.slice(2);
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream'] });
try {
  const context = await browser.newContext({ viewport: { width: 800, height: 480 }, hasTouch: true });
  const page = await context.newPage();
  const problems = [], elsewhere = [], talked = [];
  page.on('console', message => message.type() === 'error' && problems.push(message.text()));
  page.on('pageerror', error => problems.push(error.message));
  page.on('request', request => {
    if (!request.url().startsWith(address)) elsewhere.push(request.url());
    if (request.url().includes('assistant/talk')) talked.push(request);
  });
  await page.goto(new URL('assistant', address).href);
  await page.locator('#state').getByText('idle').waitFor();
  const lamp = page.locator('#devices li[data-name="kitchen light"]');
  await lamp.getByText('off').waitFor();
  await page.locator('#text').fill('what time is it');
  await page.getByRole('button', { name: 'Say' }).tap();
  await page.locator('#conversation .heard').getByText('what time is it').waitFor();
  await page.locator('#conversation .answer').getByText('It is ').waitFor();
  assert.equal(await page.locator('#text').inputValue(), '');

  // By default the page may only read.
  await page.locator('#text').fill('turn on the fan');
  await page.locator('#text').press('Enter');
  await page.locator('#conversation .answer').getByText('I may not do that from here.').waitFor();

  // No model that hears is here: the button says so. Shown as able, it sends sound in the form that the service takes.
  assert.match(await page.locator('#talk').innerText(), /No model that hears/);
  const sound = await page.evaluate(async () => {
    const stream = await navigator.mediaDevices.getUserMedia({ audio: true }), context = new AudioContext();
    await context.audioWorklet.addModule('recorder.js');
    const recorder = new AudioWorkletNode(context, 'recorder'), pieces = [], began = performance.now();
    recorder.port.onmessage = event => pieces.push(event.data);
    context.createMediaStreamSource(stream).connect(recorder);
    while (pieces.length < 10) await new Promise(done => setTimeout(done, 50));
    const seconds = (performance.now() - began) / 1000;
    stream.getTracks().forEach(track => track.stop());
    return { length: pieces[0].length, kind: pieces[0].constructor.name, seconds, loudest: Math.max(...pieces.flatMap(piece => [...piece].map(Math.abs))) };
  });
  assert.deepEqual([sound.length, sound.kind], [1600, 'Int16Array']);
  assert.ok(sound.loudest > 100, 'the microphone is silent');
  if (screenshot) await page.screenshot({ path: screenshot });
  assert.deepEqual(elsewhere, []);
  assert.deepEqual(problems, []);
  console.log(`the assistant's page: typed, answered, refused, ${talked.length} requests, a second of sound in ${sound.seconds.toFixed(1)} s`);
} finally {
  await browser.close();
}
