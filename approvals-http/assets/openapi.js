// Sends the calls that are filled in, to this server and nowhere else, with the token and nothing else.

const values = (form, place) => [...form.querySelectorAll(`[data-in="${place}"]`)]
  .filter((input) => input.value !== '')
  .map((input) => [input.name, input.value]);

const call = (form) => {
  const path = values(form, 'path').reduce(
    (path, [name, value]) => path.replace(`{${name}}`, encodeURIComponent(value)), form.dataset.path);
  const query = new URLSearchParams(values(form, 'query')).toString();
  const headers = new Headers(values(form, 'header'));
  const token = document.getElementById('token').value.trim();
  if (token) headers.set('authorization', `Bearer ${token}`);
  const body = form.querySelector('[data-in="body"]')?.value;
  if (body) headers.set('content-type', 'application/json');
  return [query ? `${path}?${query}` : path, { method: form.dataset.method, headers, body, credentials: 'omit', redirect: 'error' }];
};

const pretty = (text) => {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
};

// An answer is drawn as text while it comes in: some never end by themselves.
const show = async (form, signal) => {
  const [verdict, shown] = [form.querySelector('.verdict'), form.querySelector('pre')];
  form.querySelector('.answer').hidden = false;
  [verdict.textContent, shown.textContent] = ['Waiting …', ''];
  const [address, options] = call(form);
  const answer = await fetch(address, { ...options, signal });
  verdict.textContent = `${answer.status} ${answer.statusText}`.trim();
  verdict.classList.toggle('pass', answer.ok);
  verdict.classList.toggle('fail', !answer.ok);
  let text = '';
  for await (const chunk of answer.body.pipeThrough(new TextDecoderStream())) {
    text = (text + chunk).slice(-200000);
    shown.textContent = text;
  }
  shown.textContent = pretty(text);
};

for (const form of document.querySelectorAll('.operation form')) {
  const [send, stop] = form.querySelectorAll('button');
  send.hidden = false;
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    const ended = new AbortController();
    stop.hidden = false;
    stop.onclick = () => ended.abort();
    try {
      await show(form, ended.signal);
    } catch (error) {
      if (error.name !== 'AbortError') form.querySelector('.verdict').textContent = `Not sent: ${error.message}`;
    } finally {
      stop.hidden = true;
    }
  });
}
