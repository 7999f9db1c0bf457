// The page's conversations, edits, files, languages, choices, kiosk and life without the service.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { close, fits, markdown, open, patience, shots, sizes, sleep, violations } from './page-harness.mjs';

const program = process.env.EDGELLM_PROGRAM; // the real one, for what a script can't stand for

export const kioskCases = {
  async 'conversations are kept in the browser, opened, and forgotten'(service) {
    const page = await open(service);
    await page.says('ready');
    const titles = async () => {
      await page.getByRole('button', { name: 'Conversations' }).click();
      const found = await page.locator('#older-list li button:first-child').allTextContents();
      return found;
    };
    for (const name of ['Apples', 'Pears', 'Plums']) {
      service.chat = async (_, answer) => answer.all(`About ${name}.`);
      await page.ask(name);
      await page.getByText(`About ${name}.`).first().waitFor();
      if (name !== 'Plums') await page.getByRole('button', { name: 'New' }).click();
    }
    assert.deepEqual(await titles(), ['Pears', 'Apples']);
    assert.ok(await page.locator('#older').screenshot({ path: `${shots}/conversations.png` }));
    await page.getByRole('button', { name: 'Apples', exact: true }).click();
    assert.deepEqual(await page.locator('.user .body').allTextContents(), ['Apples']);
    service.chat = async (_, answer) => answer.all('More of them.');
    await page.ask('More');
    await page.getByText('More of them.').first().waitFor();
    assert.deepEqual(service.requests.at(-1).messages.map(one => one.content), ['Apples', 'About Apples.', 'More']);
    await page.reload();
    await page.says('ready');
    assert.equal(await page.locator('.turn').count(), 4);
    assert.deepEqual(await titles(), ['Plums', 'Pears']);
    await page.getByRole('button', { name: 'Forget Pears' }).click();
    assert.deepEqual(await page.locator('#older-list li button:first-child').allTextContents(), ['Plums']);
    await page.getByRole('button', { name: 'Forget all' }).click();
    await page.getByText('No other conversations').waitFor();
    await page.keyboard.press('Escape');
    assert.equal(await page.locator('.turn').count(), 4, 'the open conversation was forgotten, too');
    await close(page);
  },

  async 'a question is edited, an answer made again'(service) {
    const page = await open(service);
    await page.says('ready');
    for (const name of ['One', 'Two']) {
      service.chat = async (_, answer) => answer.all(`Answer ${name}.`);
      await page.ask(name);
      await page.getByText(`Answer ${name}.`).first().waitFor();
      await page.says('tokens/s');
    }
    await page.getByRole('button', { name: 'Edit' }).first().click();
    await page.says('editing');
    assert.equal(await page.question.inputValue(), 'One');
    await page.screenshot({ path: `${shots}/editing.png` });
    await page.keyboard.press('Escape');
    assert.equal(await page.question.inputValue(), '');
    assert.equal(await page.locator('.turn').count(), 4);
    await page.getByRole('button', { name: 'Edit' }).first().click();
    service.chat = async (_, answer) => answer.all('Another.');
    await page.ask('First');
    await page.getByText('Another.').first().waitFor();
    await page.says('tokens/s');
    assert.deepEqual(service.requests.at(-1).messages.map(one => one.content), ['First']);
    assert.equal(await page.locator('.turn').count(), 2);
    service.chat = async (_, answer) => answer.all('Once more.');
    await page.getByRole('button', { name: 'Again' }).click();
    await page.getByText('Once more.').first().waitFor();
    await page.says('tokens/s');
    assert.deepEqual(service.requests.at(-1).messages.map(one => one.content), ['First']);
    assert.equal(await page.locator('.turn').count(), 2);
    await close(page);
  },

  async 'a text file goes with a question; others are refused'(service) {
    const page = await open(service);
    await page.says('ready');
    const file = page.locator('#file');
    await file.setInputFiles({ name: 'photo.jpg', mimeType: 'image/jpeg', buffer: Buffer.from([0xff, 0xd8, 0xff, 0]) });
    await page.says('photo.jpg is not a text file');
    await file.setInputFiles({ name: 'large.txt', mimeType: 'text/plain', buffer: Buffer.alloc(65537, 'a') });
    await page.says('large.txt is too large: at most 64 KB');
    await file.setInputFiles({ name: 'notes.txt', mimeType: 'text/plain', buffer: Buffer.from('Buy <b>milk</b>.') });
    await page.getByRole('button', { name: 'Remove notes.txt' }).click();
    await file.setInputFiles({ name: 'notes.txt', mimeType: 'text/plain', buffer: Buffer.from('Buy <b>milk</b>.') });
    await fits(page, 'with a file');
    await page.screenshot({ path: `${shots}/file.png` });
    await page.ask('What is to be done?');
    await page.answered(1);
    assert.equal(service.requests.at(-1).messages[0].content, 'What is to be done?\n\nnotes.txt:\n```\nBuy <b>milk</b>.\n```');
    assert.ok(await page.locator('#attached').isHidden());
    await close(page);
  },

  async 'how far a long question is read is said'(service) {
    const page = await open(service);
    await page.says('ready');
    service.chat = async (_, answer) => {
      for (const processed of [0, 32, 64]) { answer.ahead(0, { total: 80, cache: 0, processed, time_ms: 1 }); await sleep(300); }
      answer.all('Read.');
    };
    await page.ask('Long');
    await page.says('reading the question: 40 %');
    await page.says('reading the question: 80 %');
    await page.answered(1);
    assert.equal(service.requests.at(-1).return_progress, true);
    await close(page);
  },

  async 'four languages, the browser’s or the chosen one, with the same texts'(service) {
    const words = { de: ['Senden', 'bereit'], fr: ['Envoyer', 'prêt'], es: ['Enviar', 'listo'] };
    for (const [code, [send, ready]] of Object.entries(words)) {
      const page = await open(service, { locale: `${code}-XX`.replace('XX', code.toUpperCase()), viewport: { width: 320, height: 640 } });
      await page.says(ready);
      assert.equal(await page.locator('#send').textContent(), send);
      assert.equal(await page.evaluate(() => document.documentElement.lang), code);
      await fits(Object.assign(page), code);
      await page.screenshot({ path: `${shots}/language-${code}.png` });
      await close(page);
    }
    const page = await open(service);
    await page.says('ready');
    await page.locator('#open-settings').click();
    await page.locator('#language').selectOption('fr');
    assert.equal(await page.locator('#settings-title').textContent(), 'Réglages');
    await page.locator('#settings button').click();
    await page.reload();
    await page.says('prêt');
    const lacking = await page.evaluate(async () => {
      const source = await (await fetch('texts.js')).text();
      const texts = JSON.stringify([...source.matchAll(/^ {2}(\w\w): \{$(.*?)^ {2}\},$/gms)].map(([, code, body]) => [code, [...body.matchAll(/(\w+): '([^']*)'/g)].map(([, name, text]) => `${name} ${(text.match(/\{\d\}/g) ?? []).sort()}`).sort()]));
      return JSON.parse(texts);
    });
    assert.deepEqual(lacking.map(([code]) => code), ['en', 'de', 'fr', 'es']);
    for (const [code, names] of lacking) assert.deepEqual(names, lacking[0][1], code);
    await close(page);
  },

  async 'large text, high contrast and less motion stay chosen and fit'(service) {
    for (const [width, height] of sizes) for (const colorScheme of ['light', 'dark']) {
      const page = await open(service, { viewport: { width, height }, colorScheme, bypassCSP: true });
      await page.says('ready');
      await page.locator('#open-settings').click();
      for (const name of ['Large text', 'High contrast', 'Less motion']) await page.getByLabel(name).check();
      assert.deepEqual(await violations(page), [], 'settings');
      await page.screenshot({ path: `${shots}/settings-${width}-${colorScheme}.png` });
      await page.getByRole('button', { name: 'Close' }).click();
      await page.reload();
      await page.says('ready');
      assert.equal(await page.evaluate(() => document.documentElement.className), 'large contrast calm');
      service.chat = async (_, answer) => answer.all(markdown);
      await page.ask('Show');
      await page.answered(1);
      await fits(page, `large ${width}`);
      assert.deepEqual(await violations(page), [], 'large');
      await page.screenshot({ path: `${shots}/large-${width}-${colorScheme}.png` });
      await page.context().close();
    }
  },

  async 'a kiosk greets, offers questions, and forgets all after some idle time'(service) {
    service.page = {
      name: 'Lighthouse Museum', greeting: 'Ask me about the lighthouse.', starters: ['When was it built?', 'Who kept the light?', 'How far does it shine?'], accent: '#7a1f4d', system: 'Be brief.',
      onlyFrom: 'Built in 1893.', idleSeconds: 15,
    };
    for (const [width, height] of sizes) {
      const page = await open(service, { viewport: { width, height }, bypassCSP: true });
      await page.says('ready');
      await page.screenshot({ path: `${shots}/kiosk-${width}.png` });
      await fits(page, `kiosk ${width}`);
      assert.deepEqual(await violations(page), [], 'kiosk');
      assert.equal(await page.title(), 'Lighthouse Museum');
      assert.ok(await page.locator('#open-older').isHidden(), 'the next visitor sees what the last one asked');
      if (width === 800) {
        service.chat = async (_, answer) => { answer.text('In 1893'); await sleep(16500); answer.text('.'); answer.end(); };
        await page.getByRole('button', { name: 'When was it built?' }).click();
        await page.answered(1);
        assert.equal(await page.locator('.turn').count(), 2, 'it forgot in mid-answer');
        const [system, user] = service.requests.at(-1).messages;
        assert.match(system.content, /^Be brief\.\n\nAnswer only from the text below\..*\n\nBuilt in 1893\.$/s);
        assert.equal(user.content, 'When was it built?');
        await page.locator('#open-settings').click();
        await page.getByLabel('Large text').check();
        await page.question.evaluate(node => { node.value = 'half a question'; });
      }
      await page.locator('#attract').waitFor({ timeout: patience });
      assert.deepEqual(await violations(page), [], 'attract');
      await page.screenshot({ path: `${shots}/attract-${width}.png` });
      assert.equal(await page.locator('.turn').count(), 0);
      assert.equal(await page.question.inputValue(), '');
      assert.ok(await page.locator('#settings').isHidden());
      assert.equal(await page.evaluate(() => document.documentElement.className), '');
      const kept = await page.evaluate(() => JSON.stringify([{ ...sessionStorage }, { ...localStorage }]));
      assert.ok(!/1893|built/i.test(kept), kept);
      if (width === 800) await page.keyboard.press('Enter'); else await page.mouse.click(width / 2, height - 40); // anywhere: what is under it must not feel it
      await page.locator('#attract').waitFor({ state: 'hidden' });
      assert.equal(await page.evaluate(() => document.activeElement.id), 'question');
      assert.equal(await page.locator('.turn').count(), 0);
      await page.context().close();
    }
  },

  async 'without the service the page opens, says so, and finds it again; it can be installed'(service) {
    const page = await open(service);
    await page.says('ready');
    await page.evaluate(() => navigator.serviceWorker.ready);
    await page.waitForFunction(async () => (await (await caches.open('page-1')).keys()).length >= 12);
    const session = await page.context().newCDPSession(page);
    const { installabilityErrors } = await session.send('Page.getInstallabilityErrors');
    assert.deepEqual(installabilityErrors.map(one => one.errorId).filter(one => one !== 'in-incognito'), []);
    service.isDown = true;
    await page.reload();
    await page.says('No connection to the service');
    await page.screenshot({ path: `${shots}/offline.png` });
    assert.equal(await page.locator('#send').textContent(), 'Send');
    await page.question.fill('Hello?');
    await page.question.press('Enter');
    assert.equal(await page.question.inputValue(), 'Hello?', 'a question is lost');
    service.isDown = false;
    await page.says('ready');
    service.chat = async (_, answer) => answer.all('Here again.');
    await page.question.press('Enter');
    await page.answered(1);
    const kept = await page.evaluate(async () => (await (await caches.open('page-1')).keys()).map(one => new URL(one.url).pathname));
    assert.ok(kept.every(path => !path.startsWith('/api') && !path.startsWith('/admin')), kept.join(' '));
    await close(page);
  },

  async 'the real service is killed in mid-answer and started again'() {
    if (!program) { console.log('skipped: EDGELLM_PROGRAM names no program'); return; }
    const address = 'http://127.0.0.1:20310/';
    const begin = () => spawn(program, ['serve', '--listen', '127.0.0.1:20310'], { stdio: 'ignore' });
    let running = begin();
    try {
      for (let i = 0; i < patience / 100; i++) { if (await fetch(`${address}health/ready`).then(one => one.ok, () => false)) break; await sleep(100); }
      const page = await open({ address });
      await page.says('ready');
      await page.ask('Write a long story about a lighthouse keeper and the sea.');
      await page.locator('.assistant .body').getByText(/\w+ \w+ \w+/).first().waitFor({ timeout: patience });
      running.kill('SIGKILL');
      await page.says('No connection to the service');
      running = begin();
      await page.waitForFunction(() => document.getElementById('status').textContent === 'writing', null, { timeout: patience });
      await page.locator('.assistant .body').getByText(/\w+ \w+ \w+/).first().waitFor({ timeout: patience });
      assert.equal(await page.locator('.turn').count(), 2);
      await page.keyboard.press('Escape');
      await page.says('stopped');
      assert.equal(await page.locator('.turn').count(), 2);
      await close(page);
    } finally {
      running.kill('SIGKILL');
    }
  },
};
