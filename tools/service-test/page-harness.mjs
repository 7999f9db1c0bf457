// What the cases of the page have in common: pages that note what goes wrong, sizes, axe-core.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import { chromium } from 'playwright-core';

export const [real, shots, only] = process.argv.slice(2);
fs.mkdirSync(shots, { recursive: true });
const axe = fs.readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
export const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] });
export const sleep = milliseconds => new Promise(resolve => setTimeout(resolve, milliseconds));
export const markdown = fs.readFileSync(new URL('answer.md', import.meta.url), 'utf8');
export const patience = 90_000; // ms; a machine that does much else is slow
export const sizes = [[390, 844], [800, 480], [1280, 800]]; // a phone, the touch screen of a Raspberry Pi, a desk

// A page of its own, with what it did wrong: errors, dialogs, requests elsewhere.
export async function open(service, options = {}, path = '') {
  const context = await browser.newContext({ viewport: { width: 800, height: 480 }, ...options });
  await context.grantPermissions(['clipboard-read', 'clipboard-write']).catch(() => {});
  context.setDefaultTimeout(patience);
  const page = await context.newPage();
  page.wrong = [];
  page.on('console', message => message.type() === 'error' && !/Failed to load resource|net::ERR/.test(message.text()) && page.wrong.push(message.text()));
  page.on('pageerror', error => page.wrong.push(error.message));
  page.on('dialog', dialog => { page.wrong.push(`dialog: ${dialog.message()}`); dialog.dismiss(); });
  page.on('request', request => request.url().startsWith(service.address) || page.wrong.push(`request: ${request.url()}`));
  await page.goto(service.address + path);
  page.question = page.getByLabel('Your question');
  page.status = page.locator('#status');
  page.ask = async text => { await page.question.fill(text); await page.question.press('Enter'); };
  page.answered = count => page.locator('.assistant:not(.waiting)').nth(count - 1).waitFor({ timeout: patience });
  page.says = text => page.waitForFunction(wanted => document.getElementById('status').textContent.includes(wanted), text, { timeout: patience });
  return page;
}

export async function close(page) {
  assert.deepEqual(page.wrong, []);
  await page.context().close();
}

export async function fits(page, name) {
  const wide = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth || document.documentElement.scrollHeight > innerHeight);
  assert.ok(!wide, `${name}: the page scrolls as a whole`);
  const { width, height } = page.viewportSize();
  for (const id of ['new', 'open-older', 'open-settings', 'attach', 'question', 'send', 'stop']) {
    const box = await page.locator(`#${id}`).boundingBox();
    if (!box) continue;
    assert.ok(box.x >= 0 && box.y >= 0 && box.x + box.width <= width + 0.5 && box.y + box.height <= height + 0.5, `${name}: #${id} is cut off: ${JSON.stringify(box)}`);
    assert.ok(box.height >= 48 && box.width >= 48, `${name}: #${id} is too small to touch`);
  }
}

export async function violations(page) {
  await page.evaluate(axe);
  const found = await page.evaluate(() => window.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }));
  return found.violations.map(one => `${one.id}: ${one.nodes.map(node => node.html.slice(0, 120)).join(' | ')}`);
}
