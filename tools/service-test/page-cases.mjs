// The page in Chromium against answers that this test writes: sizes, Markdown, hostile text, lost connections, queues, keys, keyboard, screen readers.
//   node page-cases.mjs ADDRESS_OF_A_RUNNING_EDGELLM FOLDER_FOR_SCREENSHOTS [NAME_OF_A_CASE]
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { adminCases } from './admin-cases.mjs';
import { hostileTexts } from './hostile-texts.mjs';
import { kioskCases } from './kiosk-cases.mjs';
import { browser, close, fits, markdown, only, open, real, shots, sleep, violations } from './page-harness.mjs';
import { ScriptedService } from './scripted-service.mjs';

const cases = {
  async 'fits every screen, empty, with an answer, with an error'(service) {
    const sizes = [[320, 640], [390, 844], [800, 480], [1280, 800], [400, 240], [640, 400]]; // the last two: 800x480 and 1280x800 at 200 %
    for (const [width, height] of sizes) for (const colorScheme of width === 390 ? ['light', 'dark'] : ['light']) {
      const name = `${width}x${height}-${colorScheme}`;
      service.model = 'Qwen2.5-Coder-0.5B-Instruct-abliterated-Q4_K_M:latest';
      service.chat = async (_, answer) => answer.all(markdown);
      const page = await open(service, { viewport: { width, height }, colorScheme });
      await page.says('ready');
      await fits(page, `${name} empty`);
      await page.screenshot({ path: `${shots}/${name}-empty.png` });
      await page.ask('Show me everything you can write.\nIn two lines.');
      await page.answered(1);
      await fits(page, name);
      const [asked, answered] = await Promise.all(['.user', '.assistant'].map(one => page.locator(one).first().boundingBox()));
      assert.ok(asked.x + asked.width - answered.x < 900, `${name}: question and answer are far apart`);
      if (height < 300) assert.ok((await page.locator('#turns').boundingBox()).height > height / 2, `${name}: the conversation has no room`);
      await page.screenshot({ path: `${shots}/${name}-end.png` });
      await page.locator('#turns').evaluate(node => { node.scrollTop = 0; });
      await page.screenshot({ path: `${shots}/${name}-top.png` });
      service.chat = async (_, answer) => answer.refuse(400, 'the prompt has 5120 tokens and the context 4096: send less, or serve with a larger context (setting context, --context)');
      await page.ask('Too long');
      await page.locator('.wrong').waitFor();
      await fits(page, `${name} error`);
      assert.equal(await page.question.inputValue(), 'Too long', 'the question is lost');
      await page.screenshot({ path: `${shots}/${name}-error.png` });
      service.chat = async (_, answer) => { answer.text('Well'); };
      await page.ask('Stay busy');
      await page.says('writing');
      await fits(page, `${name} busy`);
      await close(page);
    }
    service.model = 'SmolLM2-135M-Instruct:latest';
  },

  async 'Markdown becomes elements'(service) {
    const page = await open(service);
    await page.says('ready');
    service.chat = async (_, answer) => { for (const char of markdown) answer.text(char); answer.end(); };
    await page.ask('Show');
    await page.answered(1);
    const html = await page.locator('.assistant .body').evaluate(node => {
      const walk = node => node.nodeType === 3 ? node.data : `<${node.localName}>${[...node.childNodes].map(walk).join('')}</${node.localName}>`;
      return [...node.children].map(walk);
    });
    assert.deepEqual(html, JSON.parse(fs.readFileSync(new URL('answer.json', import.meta.url), 'utf8')));
    await page.locator('.code .copy').first().click();
    assert.equal(await page.evaluate(() => navigator.clipboard.readText()), 'def add(a, b):\n    return a + b  # <b>not HTML</b>');
    await page.locator('.assistant > [data-copies]').click();
    assert.equal(await page.evaluate(() => navigator.clipboard.readText()), markdown);
    await close(page);
  },

  async 'hostile text stays text'(service) {
    const page = await open(service);
    await page.says('ready');
    let i = 0;
    const last = () => page.locator('.assistant').last();
    for (const text of hostileTexts) {
      service.chat = async (_, answer) => { for (let at = 0; at < text.length; at += 997) answer.text(text.slice(at, at + 997)); answer.end(); };
      await page.ask(text.slice(0, 2000));
      await page.answered(++i);
      const found = await page.locator('#turns').evaluate(node => [...node.querySelectorAll('*')].flatMap(one => [
        ...['ARTICLE', 'H2', 'H3', 'H4', 'H5', 'H6', 'DIV', 'P', 'UL', 'OL', 'LI', 'PRE', 'CODE', 'SPAN', 'BUTTON', 'TABLE', 'THEAD', 'TBODY', 'TR', 'TH', 'TD', 'BLOCKQUOTE', 'STRONG', 'EM', 'DEL', 'BR', 'HR'].includes(one.tagName) ? [] : [one.tagName],
        ...one.getAttributeNames().filter(name => !['class', 'role', 'aria-label', 'tabindex', 'type', 'data-copies', 'data-does', 'start'].includes(name)),
      ]));
      assert.deepEqual(found, [], `of ${JSON.stringify(text.slice(0, 80))}`);
      // The words are there, so the text was not just dropped.
      const words = text.match(/[a-z]{4,}/gi)?.[0];
      if (words) assert.ok((await last().textContent()).includes(words), `${words} is gone`);
      if (i % 10 === 0) { await page.getByRole('button', { name: 'New' }).click(); i = 0; }
    }
    assert.equal(await page.evaluate(() => window.ran), undefined, 'a script ran');
    await page.reload();
    await page.says('ready');
    assert.equal(await page.evaluate(() => window.ran), undefined, 'a script ran after a reload');
    await close(page);
  },

  async 'what is kept may be anything'(service) {
    const page = await open(service);
    await page.evaluate(() => {
      sessionStorage.setItem('conversation', '[{"role":"assistant","content":"<img src=x onerror=window.ran=1>"},{"role":"system","content":"evil"},{"role":"user"},7,null]');
    });
    await page.reload();
    await page.says('ready');
    assert.equal(await page.locator('.turn').count(), 1);
    await page.evaluate(() => { for (const store of [sessionStorage, localStorage]) { store.setItem('conversation', '{broken'); store.setItem('previous', '3'); } });
    await page.reload();
    await page.says('ready');
    assert.equal(await page.locator('.turn').count(), 0);
    assert.equal(await page.evaluate(() => window.ran), undefined);
    await close(page);
  },

  async 'a reload keeps the conversation, and an answer as far as it came'(service) {
    const page = await open(service);
    await page.says('ready');
    service.chat = async (_, answer) => answer.all('**One** answer.');
    await page.ask('First');
    await page.answered(1);
    service.chat = async (_, answer) => { answer.text('A beginning'); await sleep(1200); answer.text(' that goes on'); };
    await page.ask('Second');
    await page.getByText('that goes on').waitFor();
    await page.reload();
    await page.says('ready');
    assert.equal(await page.locator('.assistant strong').textContent(), 'One');
    assert.match(await page.locator('.assistant').nth(1).textContent(), /A beginning.*stopped/s);
    service.chat = async () => {};
    await page.ask('Third');
    await page.says('reading');
    await page.reload();
    await page.says('ready');
    assert.equal(await page.question.inputValue(), 'Third');
    // Another start of the browser: only what lies in localStorage.
    await page.evaluate(() => sessionStorage.clear());
    await page.reload();
    await page.says('ready');
    assert.equal(await page.locator('.user').count(), 2);
    service.chat = async (_, answer) => answer.all('Yes.');
    await page.ask('Fourth');
    await page.answered(3);
    assert.deepEqual(service.requests.at(-1).messages.map(one => one.content), ['First', '**One** answer.', 'Second', 'A beginning that goes on', 'Fourth']);
    assert.equal(service.requests.at(-1).options.num_predict, 2048);
    await close(page);
  },

  async 'New can be taken back, also in the middle of an answer'(service) {
    const page = await open(service);
    await page.says('ready');
    service.chat = async (_, answer) => answer.all('An answer.');
    await page.ask('A question');
    await page.answered(1);
    service.chat = async (_, answer) => { answer.text('Endless'); };
    await page.ask('Another');
    await page.getByText('Endless').waitFor();
    await page.getByRole('button', { name: 'New' }).click();
    await sleep(300);
    assert.equal(await page.status.textContent(), 'ready');
    assert.equal(await page.locator('.turn').count(), 0);
    assert.ok(await page.getByRole('button', { name: 'Send' }).isVisible());
    await page.getByRole('button', { name: 'Bring back' }).click();
    assert.equal(await page.locator('.turn').count(), 2);
    assert.equal(await page.getByRole('button', { name: 'Bring back' }).count(), 0);
    await close(page);
  },

  async 'a lost connection is said, and the question is answered when it is back'(service) {
    const page = await open(service);
    await page.says('ready');
    let calls = 0;
    service.chat = async (_, answer) => {
      calls++;
      if (calls > 1) { answer.all('Whole again.'); return; }
      answer.text('Half of an');
      await sleep(200);
      service.isDown = true;
      answer.cut();
    };
    await page.ask('Will it hold?');
    await page.says('The connection was lost');
    await page.says('No connection to the service');
    await sleep(1500);
    service.isDown = false;
    await page.says('tokens/s');
    assert.equal((await page.locator('.assistant .body').textContent()).trim(), 'Whole again.');
    assert.equal(await page.locator('.turn').count(), 2);
    // The service is stopped: it says so in the stream, and comes again.
    calls = 0;
    service.chat = async (_, answer) => { if (++calls > 1) answer.all('Back.'); else { answer.text('x'); answer.cut(); } };
    await page.ask('And now?');
    await page.says('tokens/s');
    assert.equal((await page.locator('.assistant .body').last().textContent()).trim(), 'Back.');
    // Who does not want to wait stops, and has the question back.
    service.isDown = true;
    await page.ask('Never mind');
    await page.says('No connection');
    await page.keyboard.press('Escape');
    await page.says('stopped');
    assert.equal(await page.question.inputValue(), 'Never mind');
    service.isDown = false;
    await close(page);
  },

  async 'the page waits for a service that is not there yet'(service) {
    service.tags = 503;
    const page = await open(service);
    await page.says('trying again');
    service.tags = 200;
    await page.says('ready');
    await close(page);
  },

  async 'a queue says how many are before'(service) {
    const page = await open(service);
    await page.says('ready');
    let calls = 0;
    service.chat = async (_, answer) => {
      if (++calls === 1) { answer.refuse(503, '16 requests are waiting already', { 'Retry-After': '1' }); return; }
      for (const before of [2, 1, 0]) { answer.ahead(before); await sleep(400); }
      answer.all('Your turn.');
    };
    await page.ask('Am I next?');
    await page.says('Busy: 16 requests are waiting already; trying again in 1 s');
    await page.says('busy: 2 questions are before yours');
    await page.says('busy: 1 question is before yours');
    await page.says('reading');
    await page.answered(1);
    assert.equal(calls, 2);
    await close(page);
  },

  async 'keyboard alone'(service) {
    const page = await open(service);
    await page.says('ready');
    const focused = () => page.evaluate(() => document.activeElement.id || document.activeElement.textContent);
    assert.equal(await focused(), 'question');
    service.chat = async (_, answer) => { answer.text('```sh\nls\n```\nA long story'); };
    await page.keyboard.type('Tell me');
    await page.keyboard.press('Enter');
    await page.getByText('A long story').waitFor();
    await page.keyboard.type('more');
    await page.keyboard.press('Enter');
    await page.says('still writing');
    assert.equal(await page.question.inputValue(), 'more');
    await page.keyboard.press('Escape');
    await page.says('stopped');
    assert.equal(await focused(), 'question');
    // Stop by Tab and Enter.
    await page.keyboard.press('Enter');
    await page.says('writing');
    await page.keyboard.press('Tab');
    assert.equal(await focused(), 'stop');
    await page.keyboard.press('Enter');
    await page.says('stopped');
    assert.equal(await focused(), 'question');
    const order = [];
    for (let i = 0; i < 16; i++) { await page.keyboard.press('Shift+Tab'); order.push(await focused()); if (order.at(-1) === 'new') break; }
    assert.deepEqual(order, ['attach', 'Again', 'Copy', 'ls', 'Copy', 'Edit', 'Again', 'Copy', 'ls', 'Copy', 'Edit', 'turns', 'new']);
    await page.keyboard.press('Enter');
    assert.equal(await focused(), 'question');
    await close(page);
  },

  async 'screen readers hear who speaks, and each sentence once'(service) {
    const page = await open(service);
    await page.says('ready');
    await page.evaluate(() => {
      window.heard = [];
      new MutationObserver(changes => changes.forEach(change => change.addedNodes.forEach(node => window.heard.push(node.textContent)))).observe(document.getElementById('spoken'), { childList: true, subtree: true });
    });
    const text = 'The sky is blue. That is *because* of scattering! Is it so?\n\nYes, by 2.5 percent and';
    service.chat = async (_, answer) => { for (const piece of text.match(/.{1,4}/gs)) { answer.text(piece); await sleep(15); } answer.end(); };
    await page.ask('Why?');
    await page.answered(1);
    const heard = await page.evaluate(() => window.heard);
    assert.equal(heard.join(' '), 'Assistant: The sky is blue. That is because of scattering! Is it so? Yes, by 2.5 percent and');
    assert.ok(heard.length >= 4, JSON.stringify(heard));
    const names = await page.getByRole('article').evaluateAll(all => all.map(one => one.getAttribute('aria-label')));
    assert.deepEqual(names, ['You', 'Assistant']);
    assert.deepEqual(await page.getByRole('heading', { level: 2 }).allTextContents(), ['You', 'Assistant']);
    assert.equal(await page.locator('[aria-live]:not(#spoken)').count(), 0, 'the answer is announced twice');
    await close(page);
  },

  async 'a key is asked for, a wrong one is said, and it may be kept'(service) {
    service.key = 'the right key';
    const page = await open(service);
    const key = page.getByLabel('This service takes an API key');
    await key.waitFor();
    assert.equal(await page.locator('#key-wrong').textContent(), '');
    await key.fill('another key');
    await key.press('Enter');
    await page.getByText('That key is wrong.').waitFor();
    assert.equal(await key.inputValue(), '');
    await page.screenshot({ path: `${shots}/key-wrong.png` });
    await key.fill('the right key');
    await page.getByLabel('Keep it').check();
    await page.getByRole('button', { name: 'Use it' }).click();
    await page.says('ready');
    await page.evaluate(() => sessionStorage.clear());
    await page.reload();
    await page.says('ready');
    service.key = null;
    await close(page);
  },

  async 'an answer that reaches its limit says so'(service) {
    const page = await open(service);
    await page.says('ready');
    service.chat = async (_, answer) => { answer.text('On and on'); answer.end('length'); };
    await page.ask('Go');
    await page.getByText('it reached its limit, or went in circles').waitFor();
    await close(page);
  },

  async 'without JavaScript the page says so'(service) {
    const page = await open(service, { javaScriptEnabled: false });
    await page.screenshot({ path: `${shots}/no-javascript.png` });
    assert.match(await page.locator('noscript').innerText(), /This page needs JavaScript/);
    await page.context().close();
  },

  async 'axe finds nothing'(service) {
    for (const colorScheme of ['light', 'dark']) {
      const page = await open(service, { bypassCSP: true, colorScheme });
      await page.says('ready');
      assert.deepEqual(await violations(page), [], 'empty');
      service.chat = async (_, answer) => answer.all(markdown);
      await page.ask('Show');
      await page.answered(1);
      assert.deepEqual(await violations(page), [], 'an answer');
      service.chat = async (_, answer) => answer.refuse(400, 'no');
      await page.ask('Fail');
      await page.locator('.wrong').waitFor();
      assert.deepEqual(await violations(page), [], 'an error');
      service.chat = async (_, answer) => { answer.text('Writing'); };
      await page.ask('Write');
      await page.says('writing');
      assert.deepEqual(await violations(page), [], 'busy');
      service.key = 'k';
      await page.evaluate(() => { sessionStorage.clear(); localStorage.clear(); });
      await page.reload();
      await page.locator('#key[open]').waitFor();
      assert.deepEqual(await violations(page), [], 'the key');
      service.key = null;
      await page.context().close();
    }
  },
};

const service = await ScriptedService.start(real);
let failed = 0;
for (const [name, run] of Object.entries({ ...cases, ...kioskCases, ...adminCases })) {
  if (only && !name.includes(only)) continue;
  Object.assign(service, { isDown: false, key: null, tags: 200, requests: [], page: null });
  try {
    await run(service);
    console.log(`ok   ${name}`);
  } catch (error) {
    failed++;
    console.log(`FAIL ${name}\n${error.stack}`);
  }
}
await browser.close();
service.stop();
if (failed) process.exit(1);
console.log(`the page does all of it; ${shots}`);
