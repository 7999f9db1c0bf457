// Talks to the model through the service's own /api/chat, whose answer is one JSON value a line.
const element = id => document.getElementById(id);
const [turns, question, send, stop, status] = ['turns', 'question', 'send', 'stop', 'status'].map(element);

let messages = [];      // the conversation as the API takes it
let model = '';
let running = null;     // the AbortController of the answer that is being written
let key = sessionStorage.getItem('key') ?? '';

async function call(path, options = {}) {
  for (;;) {
    const headers = { 'Content-Type': 'application/json', ...(key && { Authorization: `Bearer ${key}` }) };
    const response = await fetch(path, { ...options, headers });
    if (response.ok) return response;
    if (response.status === 401) { await askForKey(); continue; }
    throw new Error((await response.json().catch(() => ({}))).error ?? `the service answered ${response.status}`);
  }
}

function askForKey() {
  const dialog = element('key');
  return new Promise(resolve => {
    dialog.addEventListener('close', () => {
      key = element('key-text').value;
      sessionStorage.setItem('key', key);
      resolve();
    }, { once: true });
    dialog.showModal();
  });
}

async function findModel() {
  status.textContent = 'connecting';
  for (;;) {
    try {
      model = (await (await call('/api/tags')).json()).models[0].name;
      element('model').textContent = model.replace(/:latest$/, '');
      status.textContent = 'ready';
      return;
    } catch (error) {
      status.textContent = error.message;
      await new Promise(wait => setTimeout(wait, 2000));
    }
  }
}

function addTurn(kind, text) {
  const turn = document.createElement('div');
  turn.className = `turn ${kind}`;
  turn.textContent = text;
  turns.append(turn);
  turns.scrollTop = turns.scrollHeight;
  return turn;
}

// The stream's JSON values, line by line, however the network cuts it.
async function* lines(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const parts = (rest + value).split('\n');
    rest = parts.pop();
    yield* parts.filter(part => part).map(part => JSON.parse(part));
  }
}

async function ask(text) {
  const asked = { role: 'user', content: text };
  messages.push(asked);
  addTurn('user', text);
  const turn = addTurn('assistant waiting', '');
  running = new AbortController();
  const { signal } = running;
  showRunning(true);
  let answer = '', last = null;
  try {
    const response = await call('/api/chat', { method: 'POST', body: JSON.stringify({ model, messages }), signal });
    for await (const line of lines(response)) {
      if (line.error) throw new Error(line.error);
      answer += line.message.content;
      const atEnd = turns.scrollHeight - turns.scrollTop - turns.clientHeight < 48;
      turn.textContent = answer;
      if (atEnd) turns.scrollTop = turns.scrollHeight;
      last = line;
    }
    if (!last?.done) throw new Error('the answer broke off');
    status.textContent = `${(last.eval_count / (last.eval_duration / 1e9)).toFixed(1)} tokens/s`;
  } catch (error) {
    if (signal.aborted) { turn.classList.add('cut'); status.textContent = 'stopped'; }
    else { addTurn('wrong', error.message); status.textContent = 'error'; }
  }
  turn.classList.remove('waiting');
  if (!messages.includes(asked)) return; // a new conversation has begun meanwhile
  if (answer) messages.push({ role: 'assistant', content: answer });
  else { messages.pop(); if (!signal.aborted) turn.remove(); }
  showRunning(false);
}

function showRunning(on) {
  if (!on) running = null;
  send.hidden = on;
  stop.hidden = !on;
}

function fit() {
  question.style.height = 'auto';
  question.style.height = `${question.scrollHeight + 2}px`;
}

element('ask').addEventListener('submit', event => {
  event.preventDefault();
  const text = question.value.trim();
  if (!text || running || !model) return;
  question.value = '';
  fit();
  ask(text);
});
question.addEventListener('input', fit);
question.addEventListener('keydown', event => {
  if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) { event.preventDefault(); element('ask').requestSubmit(); }
});
stop.addEventListener('click', () => running?.abort());
element('new').addEventListener('click', () => {
  messages = [];
  running?.abort();
  showRunning(false);
  turns.replaceChildren();
  status.textContent = model ? 'ready' : 'connecting';
  question.focus();
});
findModel();
