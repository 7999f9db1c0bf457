// A conversation with the model of this service. It is kept in the browser alone: a reload finds it again, New lets it go.
import { blocks, make } from './markdown.js';
import { chat, findModel, Refusal } from './service.js';

const most = 2048; // tokens of an answer
const element = id => document.getElementById(id);
const [turns, question, send, stop, status, spoken, back] = ['turns', 'question', 'send', 'stop', 'status', 'spoken', 'back'].map(element);

let messages = load('conversation') ?? []; // as the API takes them; an answer that was cut has `cut`, which the API ignores
let model = '';
let running = null; // the AbortController of the answer that is being written

// ---- What is kept

function load(name) {
  for (const store of [sessionStorage, localStorage]) {
    try {
      const found = JSON.parse(store.getItem(name));
      if (Array.isArray(found)) return found.filter(one => typeof one?.content === 'string' && ['user', 'assistant'].includes(one.role));
    } catch { /* storage is switched off, or holds something else */ }
  }
  return null;
}

// The tab's own, and for the next start of the browser. `previous` is for the tab alone.
function keep(name, value) {
  for (const store of name === 'previous' ? [sessionStorage] : [sessionStorage, localStorage]) {
    try {
      if (value?.length) store.setItem(name, JSON.stringify(value)); else store.removeItem(name);
    } catch { /* full or switched off: then it is not kept */ }
  }
}

// ---- What is shown

function say(text) {
  if (status.textContent !== text) status.textContent = text;
}

function addTurn(role, ...content) {
  const speaker = make('h2', 'quiet', role === 'user' ? 'You' : 'Assistant');
  const body = make('div', 'body', ...content);
  const turn = make('article', `turn ${role}`, speaker, body);
  turn.setAttribute('aria-label', speaker.textContent);
  turns.append(turn);
  showStart();
  turns.scrollTop = turns.scrollHeight;
  return turn;
}

// Shows an answer so far: of its parts, only those that are not there yet as they are.
function draw(turn, text) {
  const body = turn.querySelector('.body');
  const parts = blocks(text);
  const shown = turn.shown ??= [];
  let same = 0;
  while (same < parts.length && same < shown.length && parts[same].source === shown[same]) same++;
  const atEnd = turns.scrollHeight - turns.scrollTop - turns.clientHeight < 48;
  while (body.childNodes.length > same) body.lastChild.remove();
  body.append(...parts.slice(same).map(part => part.render()));
  turn.shown = parts.map(part => part.source);
  if (atEnd) turns.scrollTop = turns.scrollHeight;
}

function finish(turn, text, note) {
  draw(turn, text);
  if (note) turn.append(make('p', 'note', note));
  if (!text) return;
  const copy = make('button', 'copy', 'Copy');
  copy.type = 'button';
  copy.dataset.copies = 'answer';
  turn.answer = text;
  turn.append(copy);
  turns.scrollTop = turns.scrollHeight;
}

// Each sentence once, as it ends; the rest at the end.
function speaker() {
  let said = 0, first = true;
  return (text, isWhole) => {
    const fresh = text.slice(said);
    const ends = [...fresh.matchAll(/[.!?…:;]["')\]*_]*\s|\n/g)];
    const length = isWhole ? fresh.length : ends.length > 0 ? ends.at(-1).index + ends.at(-1)[0].length : 0;
    const words = fresh.slice(0, length).replace(/[*_`#|~>]+/g, ' ').replace(/\s+/g, ' ').trim();
    said += length;
    if (words) spoken.append(make('p', '', first ? `Assistant: ${words}` : words));
    if (words) first = false;
    while (spoken.childElementCount > 20) spoken.firstChild.remove();
  };
}

// The empty page says where words go: this machine, or another one over the network.
function showStart() {
  const local = ['localhost', '127.0.0.1', '[::1]'].includes(location.hostname);
  const where = element('where');
  where.textContent = local ? 'Nothing leaves this machine.'
    : `Your words go to ${location.hostname} and no further.${isSecureContext ? '' : ' The way there is not encrypted.'}`;
  where.hidden = turns.childElementCount > 0;
  back.hidden = turns.childElementCount > 0 || !load('previous')?.length;
}

function showAll() {
  turns.replaceChildren();
  for (const { role, content, cut } of messages) {
    if (role === 'user') addTurn('user', content);
    else finish(addTurn('assistant'), content, cut ? 'stopped' : '');
  }
  showStart();
}

function showRunning(on) {
  if (!on) running = null;
  send.hidden = on;
  stop.hidden = !on;
  question.focus({ preventScroll: true });
}

function fit() {
  question.style.height = 'auto';
  question.style.height = `${question.scrollHeight + 2}px`;
}

function setQuestion(text) {
  question.value = text;
  fit();
}

// ---- What happens

async function ask(text) {
  const asked = { role: 'user', content: text };
  messages.push(asked);
  keep('conversation', messages);
  keep('previous', null);
  addTurn('user', text);
  const turn = addTurn('assistant');
  turn.classList.add('waiting');
  const speak = speaker();
  const controller = running = new AbortController();
  const isCurrent = () => messages.includes(asked); // New begins another conversation
  const tell = line => isCurrent() && say(line);
  showRunning(true);
  say('reading the question');
  let answer = '', last = null, problem = null, drawn = false, savedAt = performance.now();
  const drawSoon = () => {
    if (drawn) return;
    drawn = true;
    requestAnimationFrame(() => {
      drawn = false;
      if (last || !turn.isConnected || !turn.classList.contains('waiting')) return;
      draw(turn, answer);
    });
  };
  try {
    const body = { model, messages: messages.map(({ role, content }) => ({ role, content })), options: { num_predict: most } };
    for await (const piece of chat(body, controller.signal, tell)) {
      if (!isCurrent()) break;
      if (piece.again) { answer = ''; draw(turn, ''); continue; }
      if (piece.ahead !== undefined) { say(piece.ahead === 0 ? 'reading the question' : piece.ahead === 1 ? 'busy: 1 question is before yours' : `busy: ${piece.ahead} questions are before yours`); continue; }
      if (piece.done) { last = piece.done; continue; }
      if (!answer) say('writing');
      answer += piece.text;
      speak(answer, false);
      drawSoon();
      if (performance.now() - savedAt > 1000) {
        savedAt = performance.now();
        keep('conversation', [...messages, { role: 'assistant', content: answer, cut: true }]);
      }
    }
  } catch (error) {
    if (!controller.signal.aborted) problem = error instanceof Refusal ? error.message : `the page failed: ${error.message}`;
  }
  turn.classList.remove('waiting');
  if (!isCurrent()) return;
  if (answer.trim()) {
    const note = problem ?? (!last ? 'stopped' : last.done_reason === 'length' ? 'The answer was ended here: it reached its limit, or went in circles.' : '');
    messages.push({ role: 'assistant', content: answer, ...(last ? {} : { cut: true }) });
    speak(answer, true);
    finish(turn, answer, note);
  } else {
    // Nothing came: the question goes back where it can be sent again.
    messages.pop();
    turn.previousElementSibling.remove();
    turn.remove();
    if (!question.value.trim()) setQuestion(text);
    if (problem ?? last) addProblem(problem ?? 'The model had nothing to say.');
    showStart();
  }
  keep('conversation', messages);
  say(problem ? 'that did not work' : last ? `${(last.eval_count / (last.eval_duration / 1e9)).toFixed(1)} tokens/s` : 'stopped');
  showRunning(false);
}

function addProblem(text) {
  const note = make('p', 'note wrong', text);
  note.setAttribute('role', 'alert');
  turns.append(note);
  turns.scrollTop = turns.scrollHeight;
}

function begin(conversation) {
  messages = conversation;
  running?.abort();
  spoken.replaceChildren();
  keep('conversation', messages);
  showAll();
  showRunning(false);
  say(model ? 'ready' : 'connecting');
}

async function copy(button) {
  const text = button.dataset.copies === 'code' ? button.closest('.code').querySelector('pre').textContent : button.closest('.turn').answer;
  let worked = true;
  try {
    await navigator.clipboard.writeText(text); // only there on this machine itself and over HTTPS
  } catch {
    const field = make('textarea', 'quiet', text);
    document.body.append(field);
    field.select();
    worked = document.execCommand('copy');
    field.remove();
    button.focus();
  }
  button.textContent = worked ? 'Copied' : 'Not copied';
  say(button.textContent.toLowerCase());
  setTimeout(() => { button.textContent = 'Copy'; }, 2000);
}

element('ask').addEventListener('submit', event => {
  event.preventDefault();
  const text = question.value.trim();
  if (!text) return;
  if (running) { say('still writing: Stop, or the Escape key, ends that'); return; }
  if (!model) { say('not connected yet'); return; }
  turns.querySelectorAll('.wrong').forEach(note => note.remove());
  setQuestion('');
  ask(text);
});
question.addEventListener('input', fit);
question.addEventListener('keydown', event => {
  if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) { event.preventDefault(); element('ask').requestSubmit(); }
});
document.addEventListener('keydown', event => {
  if (event.key === 'Escape' && running && !element('key').open) { event.preventDefault(); running.abort(); }
});
stop.addEventListener('click', () => running?.abort());
turns.addEventListener('click', event => { if (event.target.dataset.copies) copy(event.target); });
back.addEventListener('click', () => begin(load('previous') ?? []));
element('new').addEventListener('click', () => {
  if (messages.length) keep('previous', messages.filter((one, i) => one.role === 'assistant' || i + 1 < messages.length));
  begin([]);
});

async function connect() {
  say('connecting');
  for (;;) {
    try {
      model = await findModel(say);
      break;
    } catch (error) {
      say(error.message);
      await new Promise(resolve => setTimeout(resolve, 2000));
    }
  }
  element('model').textContent = document.title = model.replace(/:latest$/, '');
  say('ready');
}

// A question that a reload left without its answer goes back into the field.
if (messages.at(-1)?.role === 'user') setQuestion(messages.pop().content);
showAll();
connect();
