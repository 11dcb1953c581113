// The inbox, live. Every page works without this file; with it, pages keep themselves up to date,
// count down, and can ask for a passkey.

const say = (text) => {
  const line = document.getElementById('say');
  if (line) line.textContent = text;
};

// Deadlines.
const left = (seconds) => {
  if (seconds <= 0) return 'now';
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${String(seconds % 60).padStart(2, '0')} s`;
  if (seconds < 172800) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
  return `${Math.floor(seconds / 86400)} days`;
};
const tick = () => {
  for (const time of document.querySelectorAll('time[data-until]')) {
    const seconds = Math.max(0, Math.floor((new Date(time.dataset.until) - Date.now()) / 1000));
    time.textContent = left(seconds);
    time.closest('.due')?.classList.toggle('soon', seconds < 120);
  }
};
setInterval(tick, 1000);
tick();

// Live parts. A form that somebody is filling in is left alone until it can decide nothing more.
const swap = (page) => {
  for (const old of document.querySelectorAll('[data-live]')) {
    const fresh = page.getElementById(old.id);
    if (!fresh) {
      old.remove();
    } else if (!old.dataset.live || old.dataset.live !== fresh.dataset.live) {
      if (old.outerHTML !== fresh.outerHTML) old.replaceWith(document.adoptNode(fresh));
    }
  }
  tick();
  offer();
};
const refresh = async () => {
  const answer = await fetch(location.href, { headers: { accept: 'text/html' } });
  if (answer.redirected) return location.reload();
  if (answer.ok) swap(new DOMParser().parseFromString(await answer.text(), 'text/html'));
};
if (document.querySelector('[data-live]')) {
  const events = new EventSource('/inbox/events');
  let lost = false;
  events.addEventListener('change', refresh);
  events.addEventListener('hello', () => {
    if (lost) refresh();
    lost = false;
    document.documentElement.dataset.liveNow = 'yes';
  });
  events.onerror = () => { lost = true; };
}

// Passkeys.
const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, '+').replace(/_/g, '/')), (c) => c.charCodeAt(0));
const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, '-').replace(/\//g, '_').replace(/=/g, '');
const send = async (path, members) => {
  const answer = await fetch(path, { method: 'POST', body: new URLSearchParams(members) });
  const body = await answer.json();
  if (!answer.ok) throw new Error(`${body.detail} (${body.code})`);
  return body;
};

const sign = async (form, vote) => {
  const path = `/inbox/r/${form.dataset.id}`;
  const said = Object.fromEntries(new FormData(form));
  const asked = vote === 'review'
    ? await send(`${path}/review`, said)
    : await send(`${path}/challenge`, { ...said, vote });
  say('Waiting for your passkey …');
  const got = await navigator.credentials.get({
    publicKey: {
      rpId: asked.site,
      challenge: bytes(asked.challenge),
      userVerification: 'required',
      allowCredentials: asked.credentials.map((id) => ({ type: 'public-key', id: bytes(id) })),
    },
  });
  await send(`${path}/signed`, {
    csrf: said.csrf,
    ticket: asked.ticket,
    credential: text(got.rawId),
    client_data: text(got.response.clientDataJSON),
    authenticator_data: text(got.response.authenticatorData),
    signature: text(got.response.signature),
  });
  location.reload();
};

const enrol = async (button) => {
  const { challenge, site, csrf, person } = button.dataset;
  const made = await navigator.credentials.create({
    publicKey: {
      rp: { id: site, name: 'approvals' },
      user: { id: new TextEncoder().encode(person).slice(0, 64), name: person, displayName: person },
      challenge: bytes(challenge),
      pubKeyCredParams: [{ type: 'public-key', alg: -7 }, { type: 'public-key', alg: -8 }],
      authenticatorSelection: { userVerification: 'required', residentKey: 'preferred' },
      attestation: 'none',
    },
  });
  const { entry } = await send('/inbox/passkey', {
    csrf,
    client_data: text(made.response.clientDataJSON),
    authenticator_data: text(made.response.getAuthenticatorData()),
  });
  const shown = document.getElementById('entry');
  shown.textContent = entry;
  shown.hidden = false;
  shown.focus();
  say('Made. Give this entry to your operator.');
};

const guarded = (work) => async (event) => {
  try {
    await work(event.currentTarget);
  } catch (error) {
    say(`Not done: ${error.message}`);
  }
};

// Buttons that need a passkey appear where there can be one.
function offer() {
  if (!window.PublicKeyCredential) return;
  for (const button of document.querySelectorAll('[data-passkey][hidden]')) {
    button.hidden = false;
    button.addEventListener('click', guarded(() => sign(button.form, button.dataset.passkey)));
  }
  const make = document.querySelector('#enrol[hidden]');
  if (make) {
    make.hidden = false;
    make.addEventListener('click', guarded(enrol));
  }
}
offer();
