// The admin view against the real service with keys: a wrong, a client's and an administrator's key; models, requests, log, cache, settings; restart; keyboard.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { close, open, patience, shots, sizes, sleep, violations } from './page-harness.mjs';

const program = process.env.EDGELLM_PROGRAM;
const address = 'http://127.0.0.1:20311/';

// A service with keys: { admin, use, restart, stop }.
async function begin() {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'edgellm-admin-'));
  const file = path.join(folder, 'keys.json');
  const add = (...options) => execFileSync(program, ['keys', 'add', ...options, '--file', file], { encoding: 'utf8' }).match(/\S{40,}/)[0];
  const keys = { admin: add('boss', '--admin'), use: add('reader', '--tokens-per-day', '5000') };
  let running;
  const start = async () => {
    running = spawn(program, ['serve', '--listen', '127.0.0.1:20311', '--keys-file', file, '--state', path.join(folder, 'state')], { stdio: 'ignore' });
    for (let i = 0; i < patience / 100; i++) { if (await fetch(`${address}health/ready`).then(one => one.ok, () => false)) return; await sleep(100); }
    running.kill('SIGKILL');
    throw new Error('the service does not come up');
  };
  await start();
  return {
    ...keys,
    restart: async () => { running.kill('SIGKILL'); await start(); },
    stop: () => { running.kill('SIGKILL'); fs.rmSync(folder, { recursive: true, force: true }); },
  };
}

async function enter(page, key) {
  const field = page.getByLabel('This view takes a key');
  await field.waitFor();
  await field.fill(key);
  await field.press('Enter');
}

const ask = (key, more = {}) => fetch(`${address}api/chat`, {
  method: 'POST', headers: { Authorization: `Bearer ${key}` }, body: JSON.stringify({ model: 'SmolLM2-135M-Instruct', messages: [{ role: 'user', content: 'A secret: the tulips are blue.' }], ...more }),
});

export const adminCases = {
  async 'the admin view: a wrong key, a client’s, an administrator’s; models, requests, log, settings'() {
    if (!program) { console.log('skipped: EDGELLM_PROGRAM names no program'); return; }
    const service = await begin();
    try {
      const page = await open({ address }, { viewport: { width: 1280, height: 800 }, bypassCSP: true }, 'admin');
      await page.locator('#key[open]').waitFor();
      assert.deepEqual(await violations(page), [], 'the key');
      assert.ok(await page.locator('#view').isHidden());
      await enter(page, 'a-wrong-key-of-some-length');
      await page.getByText('That key is wrong.').waitFor();
      await page.screenshot({ path: `${shots}/admin-wrong-key.png` });
      await enter(page, service.use);
      await page.getByText('That key is not an administrator’s.').waitFor();
      await page.keyboard.press('Escape');
      assert.ok(await page.locator('#key[open]').isVisible(), 'Escape left the question for a key');
      assert.ok(await page.locator('#view').isHidden());
      await enter(page, service.admin);
      await page.locator('#view').waitFor();
      await page.says('ready');
      const row = page.locator('#models tbody tr').first();
      assert.match(await row.innerText(), /SmolLM2-135M-Instruct.*loaded/s);
      // A request in work: who asks and how far it is, not what.
      const abort = new AbortController();
      const running = (async () => {
        while (!abort.signal.aborted) { // an answer may end before the view asks for what is in work
          await fetch(`${address}api/chat`, {
            method: 'POST', signal: abort.signal, headers: { Authorization: `Bearer ${service.use}` },
            body: JSON.stringify({ model: 'SmolLM2-135M-Instruct', options: { num_predict: 3000, temperature: 1.5 }, messages: [{ role: 'user', content: 'A secret: the tulips are blue.' }] }),
          }).then(one => one.text()).catch(() => sleep(50));
        }
      })();
      await page.locator('#requests tbody tr').getByText('reader').waitFor({ timeout: patience });
      await sleep(4500);
      await page.screenshot({ path: `${shots}/admin-1280.png`, fullPage: true });
      assert.deepEqual(await violations(page), [], 'the view');
      abort.abort();
      await running;
      await page.locator('#requests-none').waitFor({ timeout: patience });
      assert.equal((await ask(service.use, { stream: false, options: { num_predict: 3 } })).status, 200);
      await page.locator('#log').getByText('/api/chat for reader').first().waitFor({ timeout: patience });
      assert.match(await page.locator('#keys').innerText(), /boss\s+admin[\s\S]*reader\s+use[\s\S]*of 5000/);
      assert.match(await page.locator('#settings').innerText(), /keysFile/);
      const few = await page.locator('#settings tbody tr').count();
      await page.getByLabel('Those at their default').check();
      await page.waitForFunction(least => document.querySelectorAll('#settings tbody tr').length > least, few);
      await page.locator('#log-level').selectOption('error');
      assert.ok(!/for reader/.test(await page.locator('#log').innerText()));
      await page.locator('#log-level').selectOption('info');
      // Unload and load, by the keyboard alone.
      await page.getByRole('button', { name: 'Unload SmolLM2-135M-Instruct' }).focus();
      await page.keyboard.press('Enter');
      await row.getByText('on disk').waitFor({ timeout: patience });
      await page.getByRole('button', { name: 'Load SmolLM2-135M-Instruct', exact: true }).focus();
      await page.keyboard.press('Enter');
      await row.getByText('loaded').waitFor({ timeout: patience });
      await page.getByRole('button', { name: 'Remove all' }).click();
      await page.locator('#log').getByText('removed all kept prompts').waitFor({ timeout: patience });
      await page.getByLabel('Get another model').fill('no such model');
      await page.getByRole('button', { name: 'Get', exact: true }).click();
      await page.waitForFunction(() => /no such model/.test(document.getElementById('pull-status').textContent) && document.getElementById('pull-stop').hidden, null, { timeout: patience });
      const shown = await page.evaluate(() => document.body.innerText);
      for (const secret of ['tulips', service.admin, service.use]) assert.ok(!shown.includes(secret), `${secret} is shown`);
      await close(page);
    } finally {
      service.stop();
    }
  },

  async 'the admin view on a phone and a small screen; after a restart; signed out; by the keyboard'() {
    if (!program) { console.log('skipped: EDGELLM_PROGRAM names no program'); return; }
    const service = await begin();
    try {
      for (const [width, height] of sizes) {
        const page = await open({ address }, { viewport: { width, height }, colorScheme: width === 800 ? 'dark' : 'light', bypassCSP: true }, 'admin');
        await enter(page, service.admin);
        await page.says('ready');
        await page.locator('#settings tbody tr').first().waitFor();
        await sleep(2500);
        const overflow = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
        assert.ok(!overflow, `${width}: the page scrolls sideways`);
        for (const button of await page.getByRole('button').all()) {
          const box = await button.boundingBox();
          if (box) assert.ok(box.height >= 48 && box.width >= 48, `${width}: ${await button.textContent()} is too small to touch`);
        }
        assert.deepEqual(await violations(page), [], `${width}`);
        await page.screenshot({ path: `${shots}/admin-${width}-full.png`, fullPage: true });
        await page.screenshot({ path: `${shots}/admin-${width}-top.png` });
        if (width !== 390) { await page.context().close(); continue; }
        await service.restart();
        await page.locator('#log').getByText('ready:').waitFor({ timeout: patience });
        await page.says('ready');
        const reached = [];
        for (let i = 0; i < 40; i++) {
          await page.keyboard.press('Tab');
          reached.push(await page.evaluate(() => document.activeElement.id || document.activeElement.getAttribute('aria-label') || document.activeElement.textContent));
        }
        for (const wanted of ['conversation', 'sign-out', 'Table of models', 'pull-name', 'pull-begin', 'cache-clear', 'log-level', 'log', 'settings-all']) assert.ok(reached.includes(wanted), `Tab does not reach ${wanted}: ${reached.join(', ')}`);
        await page.getByRole('button', { name: 'Sign out' }).click();
        await page.locator('#key[open]').waitFor();
        assert.equal(await page.evaluate(() => sessionStorage.getItem('admin-key')), null);
        await close(page);
      }
    } finally {
      service.stop();
    }
  },
};
