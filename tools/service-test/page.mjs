// The page in Chromium, 800x480 by touch: ask, stop, go on, begin anew; nothing is loaded from elsewhere.   node page.mjs ADDRESS SCREENSHOT.png
import assert from 'node:assert/strict';
import { chromium } from 'playwright-core';

const [address, screenshot] = process.argv.slice(2);
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] });
try {
  const context = await browser.newContext({ viewport: { width: 800, height: 480 }, hasTouch: true });
  const page = await context.newPage();
  const problems = [], elsewhere = [];
  page.on('console', message => message.type() === 'error' && problems.push(message.text()));
  page.on('pageerror', error => problems.push(error.message));
  page.on('request', request => request.url().startsWith(address) || elsewhere.push(request.url()));

  await page.goto(address);
  await page.locator('#status').getByText('ready').waitFor();
  for (const button of await page.getByRole('button').all()) {
    const box = await button.boundingBox();
    assert.ok(box.height >= 48 && box.width >= 48, 'a button is too small to touch');
  }

  const question = page.getByLabel('Your question');
  await question.fill('Why is the sky blue? Answer in one sentence.');
  await page.getByRole('button', { name: 'Send' }).tap();
  await page.locator('.assistant:not(.waiting)').waitFor({ timeout: 240000 });
  await page.locator('#status').getByText(/tokens\/s/).waitFor();
  // The words are sampled, so any may come: what counts is that there are some, whole, with the numbers of an answer beside them.
  assert.match((await page.locator('.assistant .body').innerText()).trim(), /^\S.*\w+\W+\w+.*\S$/s);
  assert.match(await page.locator('#status').innerText(), /tokens\/s/);

  await question.fill('Write a very long story about a lighthouse keeper and the sea.');
  await question.press('Enter');
  await page.locator('.assistant .body').nth(1).getByText(/\w+ \w+ \w+/).first().waitFor({ timeout: 60000 });
  await page.screenshot({ path: screenshot });
  await page.getByRole('button', { name: 'Stop' }).tap();
  await page.locator('.assistant .note').getByText('stopped').waitFor();
  await page.getByRole('button', { name: 'Send' }).waitFor();
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth || document.documentElement.scrollHeight > innerHeight);
  assert.ok(!overflow, 'the page scrolls as a whole');

  await question.fill('<b>And</b> <script>alert(1)</script>');
  await question.press('Enter');
  await page.locator('.assistant .body').nth(2).getByText(/\w/).first().waitFor({ timeout: 60000 });
  assert.equal(await page.locator('.user b, .turn script').count(), 0, 'typed text became HTML');
  const stop = page.getByRole('button', { name: 'Stop' }); // an answer may be long, or over by now
  if (await stop.isVisible()) await stop.tap({ timeout: 2000 }).catch(() => {});
  await page.getByRole('button', { name: 'Send' }).waitFor();

  await page.getByRole('button', { name: 'New' }).tap();
  assert.equal(await page.locator('.turn').count(), 0);
  assert.deepEqual(elsewhere, [], 'something was loaded from elsewhere');
  assert.deepEqual(problems, []);
  console.log(`the page works; ${screenshot}`);
} finally {
  await browser.close();
}
