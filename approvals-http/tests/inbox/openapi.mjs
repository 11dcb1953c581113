// The API is tried from its own page, by hand and by keyboard, with a token that goes nowhere else.
import assert from 'node:assert/strict';
import { accessible, base, complaints, launch, picture, watched } from './browser.mjs';

const requests = JSON.parse(process.env.REQUESTS);
const browser = await launch();
const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
const page = await watched(context);
const asked = [];
page.on('request', (request) => asked.push(request));
const policy = (await page.goto(`${base}/openapi`)).headers()['content-security-policy'];
assert(policy.includes("default-src 'none'") && !policy.includes('unsafe'), policy);

const send = async (path, method, fill) => {
  const form = page.locator(`form[data-path="${path}"][data-method="${method}"]`);
  if (!await form.isVisible()) await page.locator('details', { has: form }).locator('summary').click();
  await fill(form);
  await form.getByRole('button', { name: 'Send' }).click();
  await form.locator('.verdict:text-matches("^[0-9]{3}")').waitFor();
  return { status: (await form.locator('.verdict').textContent()).slice(0, 3), form, body: () => form.locator('pre').textContent() };
};
const parsed = async (answer) => {
  for (let tries = 0; tries < 100; tries += 1) {
    try { return JSON.parse(await answer.body()); } catch { await page.waitForTimeout(50); }
  }
  return assert.fail(await answer.body());
};

// Without a token, nothing; with one, the list, filtered.
const none = await send('/v1/approvals', 'GET', async () => {});
assert.equal(none.status, '401');
complaints.length = 0;
await page.fill('#token', process.env.TOKEN);
const list = await send('/v1/approvals', 'GET', async (form) => {
  await form.locator('[name=status]').fill('any');
  await form.locator('[name=scope]').fill('db.export');
});
assert.equal(list.status, '200', await list.body());
const found = (await parsed(list)).requests.map((request) => request.request);
assert.deepEqual(new Set(found), new Set([requests.export, requests.before]));

// One request, a path that is filled in, and what an agent wrote drawn as text.
const one = await send('/v1/approvals/{id}', 'GET', (form) => form.locator('[name=id]').fill(requests.hostile));
assert.equal(one.status, '200');
assert(JSON.stringify(await parsed(one)).includes('<script>window.pwned=1</script>'));
assert.equal(await page.evaluate(() => window.pwned ?? null), null);

// A body that begins with what it must have, and a stream that ends when one has seen enough.
const statement = await send('/v1/approvals/{id}/statement', 'POST', async (form) => {
  await form.locator('[name=id]').fill(requests.restart);
  const body = JSON.parse(await form.locator('[data-in=body]').inputValue());
  assert.equal(body.vote, 'approve', JSON.stringify(body));
});
assert.equal(statement.status, '200', await statement.body());
assert.match((await parsed(statement)).statement, /^[A-Za-z0-9+/]+=*$/);
const events = await send('/v1/events', 'GET', async () => {});
assert.equal(events.status, '200');
await events.form.getByRole('button', { name: 'Stop' }).click();
await events.form.getByRole('button', { name: 'Stop' }).waitFor({ state: 'hidden' });

// It asks nobody but this server, and the token stands in no address and no store.
for (const request of asked) {
  assert.equal(new URL(request.url()).origin, base, request.url());
  assert(!request.url().includes(process.env.TOKEN), request.url());
}
const kept = await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie]));
assert(!kept.includes(process.env.TOKEN), kept);
await page.fill('#token', '');
for (const colorScheme of ['light', 'dark']) {
  await page.emulateMedia({ colorScheme });
  await accessible(page, `the API page, ${colorScheme}`);
}
await page.emulateMedia({ colorScheme: 'light' });
await page.goto(`${base}/openapi`);
await picture(page, 'openapi-desktop-light');
await page.setViewportSize({ width: 390, height: 844 });
const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
assert(wide <= 0, `the API page is ${wide} px too wide on a phone`);
assert.deepEqual(complaints, []);
await browser.close();
