// A page is drawn by the real browser, and the pinned packages are found.
import assert from 'node:assert';
import { chromium } from 'playwright-core';
import axe from 'axe-core';

const quiet = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync'];
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: quiet });
try {
  const page = await browser.newPage();
  await page.setContent('<h1>a page</h1>');
  assert.equal(await page.textContent('h1'), 'a page');
  assert.ok(axe.version);
} finally {
  await browser.close();
}
