// Does in a real browser what a person does in Slack's page: drive.mjs URL STEPS
import assert from 'node:assert';
import { chromium } from 'playwright-core';

const [url, steps] = [process.argv[2], JSON.parse(process.argv[3])];
const quiet = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync'];
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: quiet });
try {
  const context = await browser.newContext({ viewport: { width: 1100, height: 900 } });
  // Nothing leaves this machine, whatever the page wants to load.
  await context.route('**/*', (route) => {
    const host = new URL(route.request().url()).hostname;
    return ['localhost', '127.0.0.1'].includes(host) ? route.continue() : route.abort();
  });
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  await page.goto(url);
  await page.getByText('approvals', { exact: false }).first().click();
  for (const step of steps) {
    if (step.as) await page.locator('select').first().selectOption({ label: step.as });
    if (step.press) await page.getByRole('button', { name: step.press, exact: true }).last().click();
    if (step.fill) await page.locator('.modal input, .modal textarea').first().fill(step.fill);
    if (step.submit) await page.locator('.modal .primary').click();
    if (step.sees) await page.getByText(step.sees).last().waitFor();
    if (step.gone) await page.getByRole('button', { name: step.gone, exact: true }).waitFor({ state: 'detached' });
    if (step.shot) await page.locator('.modal').screenshot({ path: step.shot });
    if (step.nothing) assert.equal(await page.getByRole('button', { name: step.nothing, exact: true }).count(), 0);
  }
} catch (error) {
  console.error(String(error));
  process.exitCode = 1;
} finally {
  await browser.close();
}
