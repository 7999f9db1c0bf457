// explain's pages in Chromium, from the disk: widths of a desktop and of a phone, light and dark, keyboard, axe-core, hostile tokens.
//   node explain-cases.mjs FOLDER_FOR_SCREENSHOTS PAGE.html ...
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { chromium } from 'playwright-core';

const [shots, ...pages] = process.argv.slice(2);
fs.mkdirSync(shots, { recursive: true });
const axe = fs.readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
// What a page of its kind has to show, by the file's name.
const kinds = { recurrent: /state [0-9.]+.*has no attention/s, experts: /experts \d+ \([0-9.]+ %\)/, hostile: /<img src=x onerror=alert\(1\)>\\u2028\\u001b\[31m/, compare: / \+ qv-r4: token/ };
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] });
let failed = 0;
for (const file of pages) for (const [width, height, colorScheme] of [[1280, 800, 'light'], [390, 844, 'light'], [390, 844, 'dark']]) {
  const name = `${path.basename(file, '.html')}-${width}-${colorScheme}`, address = pathToFileURL(path.resolve(file)).href, wrong = [];
  try {
    const context = await browser.newContext({ viewport: { width, height }, colorScheme }), page = await context.newPage();
    page.on('console', message => message.type() === 'error' && wrong.push(message.text()));
    page.on('pageerror', error => wrong.push(error.message));
    page.on('dialog', dialog => { wrong.push(`dialog: ${dialog.message()}`); dialog.dismiss(); });
    page.on('request', request => request.url() === address || wrong.push(`request: ${request.url()}`));
    await page.goto(address);
    const tokens = page.locator('.tokens').first().locator('button'), count = await tokens.count(), place = () => page.locator('#details h2').first().textContent();
    assert.ok(count > 1, 'no tokens');
    // By keyboard alone: the tokens are one stop of Tab, the arrows go through them; then the tables and choices.
    await page.keyboard.press('Tab');
    assert.match(await place(), new RegExp(`token ${count},`));
    await page.keyboard.press('Home');
    assert.match(await place(), /token 1,/);
    await page.keyboard.press('ArrowRight');
    assert.match(await place(), /token 2,/);
    assert.equal(await page.evaluate(() => document.activeElement.getAttribute('aria-pressed')), 'true');
    for (let i = 0; i < 40 && !await page.evaluate(() => document.activeElement.tagName === 'SELECT'); i++) await page.keyboard.press('Tab');
    if (await page.locator('select').count() > 0) {
      assert.equal(await page.evaluate(() => document.activeElement.tagName), 'SELECT');
      await page.keyboard.press('ArrowDown');
      assert.equal(await page.locator('select').first().inputValue(), '1');
    }
    const kind = kinds[path.basename(file, '.html')];
    if (kind) assert.match(await page.locator('main').textContent(), kind);
    await tokens.nth(Math.min(count - 1, 20)).click();
    assert.match(await place(), new RegExp(`token ${Math.min(count - 1, 20) + 1},`));
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'the page is wider than the screen');
    // A title that its own scrolling part would hide is not one; and nothing of the attention's lines is cut off at the text's edge.
    assert.equal(await page.locator('.scroll h3, .scroll caption').count(), 0);
    assert.deepEqual(await page.locator('h2, h3').evaluateAll(all => all.filter(one => one.scrollWidth > one.clientWidth).map(one => one.textContent)), []);
    assert.equal(await page.locator('svg.lines').first().evaluate(one => getComputedStyle(one).overflow), 'visible');
    assert.equal(await page.locator('img').count(), 0);
    await page.evaluate(axe);
    const found = await page.evaluate(() => window.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }));
    wrong.push(...found.violations.map(one => `${one.id}: ${one.nodes.slice(0, 3).map(node => node.html.slice(0, 120)).join(' | ')}`));
    await page.screenshot({ path: `${shots}/${name}.png` });
    await page.locator('#details').scrollIntoViewIfNeeded();
    await page.screenshot({ path: `${shots}/${name}-details.png`, fullPage: count < 100 });
    assert.deepEqual(wrong, []);
    await context.close();
    console.log(`ok: ${name}`);
  } catch (error) {
    failed++;
    console.log(`FAILED: ${name}: ${error.message}`);
  }
}
await browser.close();
process.exit(failed ? 1 : 0);
