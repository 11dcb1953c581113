// People sign in at a real identity provider, and decide.
import assert from 'node:assert/strict';
import { accessible, base, complaints, has, launch, picture, watched } from './browser.mjs';

const requests = JSON.parse(process.env.REQUESTS);
const at = (name) => `${base}/inbox/r/${requests[name]}`;

const browser = await launch();
const fresh = async () => watched(await browser.newContext({ viewport: { width: 1280, height: 900 } }));
const prove = async (page, account, code) => {
  await page.waitForURL(/\/interaction\//);
  await page.getByLabel('Account').fill(account);
  await page.getByLabel('Code').fill(code);
  await page.getByRole('button', { name: 'Sign in' }).click();
};

// Whoever follows a link to a request signs in, and comes back to it.
const bob = await fresh();
await bob.goto(at('scale'));
await bob.waitForURL('**/login?request=*');
await accessible(bob, 'login');
await picture(bob, 'login-desktop-light');
await bob.getByRole('link', { name: 'Sign in' }).click();
await prove(bob, 'bob-1', '123456');
await bob.waitForURL(at('scale'));
await has(bob, 'service.scale', 'with a fresh login');
assert((await bob.textContent('.who')).includes('fresh login, A2'));
const cookies = await bob.context().cookies(base);
const session = cookies.find((cookie) => cookie.name === 'approvals');
assert(session.httpOnly && session.sameSite === 'Lax', JSON.stringify(session));
assert(!cookies.some((cookie) => cookie.name === 'approvals-login'), 'the login is over');

// What asks for a fresh login is approved with one, and denied with a reason.
await bob.getByRole('button', { name: 'Approve', exact: true }).click();
await bob.waitForFunction(() => document.querySelector('#head .status').textContent === 'approved');
await bob.goto(at('restart'));
await bob.fill('#reason', 'Not during the freeze.');
await bob.getByRole('button', { name: 'Deny' }).click();
await has(bob, 'Denied: Not during the freeze.');
// A login is not a signature.
await bob.goto(at('drop'));
assert.equal(await bob.getByRole('button', { name: 'Approve', exact: true }).count(), 0);
await has(bob, 'a stronger proof than A2');

// Signing out ends it here; who signs in anew has to say who they are when they are asked to.
await bob.getByRole('button', { name: 'Sign out' }).click();
await bob.waitForURL('**/login');
await bob.goto(`${base}/inbox`);
await bob.waitForURL('**/login');
await bob.goto(`${base}/login/start?again=yes`);
await prove(bob, 'bob-1', '123456');
await bob.waitForURL('**/inbox');
assert.notEqual((await bob.context().cookies(base)).find((cookie) => cookie.name === 'approvals').value, session.value);
assert.deepEqual(complaints, []);

// Without scripts it is the same.
const plain = watched(await browser.newContext({ javaScriptEnabled: false }));
const page = await plain;
await page.goto(`${base}/inbox`);
await page.getByRole('link', { name: 'Sign in' }).click();
await prove(page, 'dana-1', '654321');
await page.goto(at('second'));
await page.getByRole('button', { name: 'Approve', exact: true }).click();
await has(page, 'u_dana approved');

// A password alone is not enough, and a stranger is nobody.
for (const [account, code, refused] of [['bob-1', '', 'AssuranceTooLow'], ['mallory-1', '123456', 'IdentityUnresolved']]) {
  const other = await fresh();
  await other.goto(`${base}/login/start`);
  await prove(other, account, code);
  await other.waitForURL('**/login/callback?*');
  await has(other, refused);
  await other.goto(`${base}/inbox`);
  await other.waitForURL('**/login');
}
await browser.close();
