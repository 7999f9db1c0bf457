// A conversation with the model of this service. It is kept in the browser alone: a reload finds it again, New lets it go.
import { archive, forget, keep, load, older, option } from './conversations.js';
import { configuration, dress, install, settleLanguage, watchIdle } from './kiosk.js';
import { make } from './markdown.js';
import { chat, findModel, Refusal } from './service.js';
import { choose, languages, t } from './texts.js';
import { addProblem, addTurn, button, copy, draw, finish, speaker } from './view.js';

const most = 2048; // tokens of an answer
const mostKilobytes = 64; // of an attached file
const element = id => document.getElementById(id);
const [turns, question, send, stop, status, spoken, back] = ['turns', 'question', 'send', 'stop', 'status', 'spoken', 'back'].map(element);

let messages = load('conversation') ?? []; // as the API takes them; an answer that was cut has `cut`, which the API ignores
let model = '';
let page = {};
let running = null; // the AbortController of the answer that is being written
let editing = -1; // the number of the message whose question is in the field
let attached = null; // { name, text }

// ---- What is shown

function say(text) {
  if (status.textContent !== text) status.textContent = text;
}

// The empty page greets, or says where words go: this machine, or another one over the network.
function showStart() {
  const isEmpty = turns.childElementCount === 0;
  const local = ['localhost', '127.0.0.1', '[::1]'].includes(location.hostname);
  element('where').textContent = local ? t('here') : `${t('there', location.hostname)}${isSecureContext ? '' : t('open')}`;
  element('greeting').textContent = page.greeting ?? '';
  element('greeting').hidden = !isEmpty || !page.greeting;
  element('where').hidden = !isEmpty;
  element('starters').replaceChildren(...(isEmpty ? page.starters ?? [] : []).map(text => button(text, '', { does: 'starter' })));
  back.hidden = !isEmpty || !load('previous')?.length;
}

function showTurn(role, text) {
  const turn = addTurn(turns, role, text);
  showStart();
  return turn;
}

function showAll() {
  turns.replaceChildren();
  for (const { role, content, cut } of messages) {
    if (role === 'user') showTurn('user', content);
    else finish(turns, showTurn('assistant'), content, cut ? t('stopped') : '');
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

function attach(file) {
  attached = file;
  const chip = element('attached');
  chip.replaceChildren(...(file ? [make('span', '', file.name), button('×', '', { does: 'detach' })] : []));
  chip.querySelector('button')?.setAttribute('aria-label', file ? t('remove', file.name) : '');
  chip.hidden = !file;
}

// ---- What happens

function instructions() {
  const system = [page.system, page.onlyFrom && `${t('only')}\n\n${page.onlyFrom}`].filter(one => one).join('\n\n');
  return system ? [{ role: 'system', content: system }] : [];
}

// Why no word has come yet.
function waiting({ ahead, progress }) {
  if (ahead > 0) return ahead === 1 ? t('busy1') : t('busy', ahead);
  return progress?.processed > 0 ? t('percent', Math.floor(100 * progress.processed / progress.total)) : t('reading');
}

async function ask(text) {
  const asked = { role: 'user', content: text };
  messages.push(asked);
  keep('conversation', messages);
  keep('previous', null);
  showTurn('user', text);
  const turn = showTurn('assistant');
  turn.classList.add('waiting');
  const speak = speaker(spoken);
  const controller = running = new AbortController();
  const isCurrent = () => messages.includes(asked); // New begins another conversation
  const tell = line => isCurrent() && say(line);
  showRunning(true);
  say(t('reading'));
  let answer = '', last = null, problem = null, drawn = false, savedAt = performance.now();
  const drawSoon = () => {
    if (drawn) return;
    drawn = true;
    requestAnimationFrame(() => {
      drawn = false;
      if (last || !turn.isConnected || !turn.classList.contains('waiting')) return;
      draw(turns, turn, answer);
    });
  };
  try {
    const body = { model, messages: [...instructions(), ...messages.map(({ role, content }) => ({ role, content }))], options: { num_predict: most }, return_progress: true };
    for await (const piece of chat(body, controller.signal, tell)) {
      if (!isCurrent()) break;
      if (piece.again) { answer = ''; draw(turns, turn, ''); continue; }
      if (piece.ahead !== undefined) { say(waiting(piece)); continue; }
      if (piece.done) { last = piece.done; continue; }
      if (!answer) say(t('writing'));
      answer += piece.text;
      speak(answer, false);
      drawSoon();
      if (performance.now() - savedAt > 1000) {
        savedAt = performance.now();
        keep('conversation', [...messages, { role: 'assistant', content: answer, cut: true }]);
      }
    }
  } catch (error) {
    if (!controller.signal.aborted) problem = error instanceof Refusal ? error.message : t('failed', error.message);
  }
  turn.classList.remove('waiting');
  if (!isCurrent()) return;
  if (answer.trim()) {
    const note = problem ?? (!last ? t('stopped') : last.done_reason === 'length' ? t('limit') : '');
    messages.push({ role: 'assistant', content: answer, ...(last ? {} : { cut: true }) });
    speak(answer, true);
    finish(turns, turn, answer, note);
  } else {
    // Nothing came: the question goes back where it can be sent again.
    messages.pop();
    turn.previousElementSibling.remove();
    turn.remove();
    if (!question.value.trim()) setQuestion(text);
    if (problem ?? last) addProblem(turns, problem ?? t('nothing'));
    showStart();
  }
  keep('conversation', messages);
  say(problem ? t('wrong') : last ? t('rate', (last.eval_count / (last.eval_duration / 1e9)).toFixed(1)) : t('stopped'));
  showRunning(false);
}

function begin(conversation) {
  messages = conversation;
  running?.abort();
  editing = -1;
  attach(null);
  spoken.replaceChildren();
  keep('conversation', messages);
  showAll();
  showRunning(false);
  say(t(model ? 'ready' : 'connecting'));
}

// What is said so far, without a question whose answer has not come.
const said = () => messages.filter((one, i) => one.role === 'assistant' || i + 1 < messages.length);

function cutTo(count) {
  messages = messages.slice(0, count);
  showAll();
}

function edit(turn) {
  if (running) return;
  editing = [...turns.querySelectorAll('.turn')].indexOf(turn);
  setQuestion(messages[editing].content);
  question.focus();
  say(t('editing'));
}

function askAgain(turn) {
  if (running || !model) return;
  const at = [...turns.querySelectorAll('.turn')].indexOf(turn) - 1;
  const text = messages[at].content;
  cutTo(at);
  ask(text);
}

async function attachFile(file) {
  if (!file) return;
  if (file.size > mostKilobytes * 1024) { say(t('tooLarge', file.name, mostKilobytes)); return; }
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(await file.arrayBuffer());
    if (text.includes('\0')) throw new TypeError();
    attach({ name: file.name, text });
  } catch { say(t('noText', file.name)); }
}

function showOlder() {
  const list = element('older-list');
  const all = older();
  list.replaceChildren(...all.map(one => {
    const open = button(one.title, '', { id: one.id, does: 'open' });
    const remove = button('×', 'copy', { id: one.id, does: 'forget' });
    remove.setAttribute('aria-label', t('forget', one.title));
    return make('li', '', open, remove);
  }));
  element('older-none').hidden = all.length > 0;
  element('forget-all').hidden = all.length === 0;
}

function settle(name, on) {
  document.documentElement.classList.toggle(name, on);
  element(name).checked = on;
}

element('ask').addEventListener('submit', event => {
  event.preventDefault();
  const typed = question.value.trim();
  if (!typed) return;
  if (running) { say(t('stillWriting')); return; }
  if (!model) { say(t('notConnected')); return; }
  turns.querySelectorAll('.wrong').forEach(note => note.remove());
  const text = attached ? `${typed}\n\n${attached.name}:\n\`\`\`\n${attached.text}\n\`\`\`` : typed;
  if (editing >= 0) cutTo(editing);
  editing = -1;
  attach(null);
  setQuestion('');
  ask(text);
});
question.addEventListener('input', fit);
question.addEventListener('keydown', event => {
  if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) { event.preventDefault(); element('ask').requestSubmit(); }
});
document.addEventListener('keydown', event => {
  if (event.key !== 'Escape' || document.querySelector('dialog[open]')) return;
  if (running) { event.preventDefault(); running.abort(); }
  else if (editing >= 0) { editing = -1; setQuestion(''); say(t('ready')); }
});
stop.addEventListener('click', () => running?.abort());
turns.addEventListener('click', event => {
  const { copies, does } = event.target.dataset;
  if (copies) copy(event.target, say);
  else if (does === 'edit') edit(event.target.closest('.turn'));
  else if (does === 'again') askAgain(event.target.closest('.turn'));
});
element('starters').addEventListener('click', event => {
  if (event.target.dataset.does !== 'starter' || running) return;
  if (model) ask(event.target.textContent); else say(t('notConnected'));
});
back.addEventListener('click', () => { const previous = load('previous') ?? []; begin(previous); keep('previous', null); });
element('new').addEventListener('click', () => {
  if (messages.length) {
    keep('previous', said());
    if (!page.idleSeconds) archive(said());
  }
  begin([]);
});
element('attach').addEventListener('click', () => element('file').click());
element('file').addEventListener('change', event => { attachFile(event.target.files[0]); event.target.value = ''; });
element('attached').addEventListener('click', event => { if (event.target.dataset.does) { attach(null); question.focus(); } });
element('open-older').addEventListener('click', () => { showOlder(); element('older').showModal(); });
element('open-settings').addEventListener('click', () => element('settings').showModal());
element('forget-all').addEventListener('click', () => { forget(); showOlder(); });
element('older-list').addEventListener('click', event => {
  const { does, id } = event.target.dataset;
  if (does === 'forget') { forget(id); showOlder(); return; }
  const found = older().find(one => one.id === id);
  if (does !== 'open' || !found) return;
  forget(id);
  archive(said());
  element('older').close();
  begin(found.messages);
});
for (const name of ['large', 'contrast', 'calm']) {
  element(name).addEventListener('change', event => { settle(name, option(name, event.target.checked)); });
  settle(name, option(name) === true || (name === 'contrast' && option(name) === null && matchMedia('(prefers-contrast: more)').matches));
}
element('language').append(...Object.entries(languages).map(([code, name]) => Object.assign(make('option', '', name), { value: code })));
element('language').addEventListener('change', event => {
  choose(option('language', event.target.value));
  showAll();
  say(t(model ? 'ready' : 'connecting'));
});

async function connect() {
  say(t('connecting'));
  for (;;) {
    try {
      model = await findModel(say);
      break;
    } catch (error) {
      say(error.message);
      await new Promise(resolve => setTimeout(resolve, 2000));
    }
  }
  element('model').textContent = document.title = page.name ?? model.replace(/:latest$/, '');
  say(t('ready'));
}

async function start() {
  element('language').value = settleLanguage(page, option('language'));
  // A question that a reload left without its answer goes back into the field.
  if (messages.at(-1)?.role === 'user') setQuestion(messages.pop().content);
  showAll();
  page = await configuration();
  element('language').value = settleLanguage(page, option('language'));
  dress(page);
  if (page.name) element('model').textContent = document.title = page.name;
  // On a screen that many use nobody sees others' questions, or this machine's files.
  for (const id of ['open-older', 'administration', 'attach']) element(id).hidden = page.idleSeconds > 0;
  if (page.idleSeconds > 0) {
    watchIdle(page.idleSeconds, () => running !== null, () => {
      setQuestion('');
      forget();
      begin([]);
      keep('previous', null);
      for (const name of ['large', 'contrast', 'calm']) settle(name, option(name, false));
    });
  }
  showAll();
  install();
  await connect();
}

start();
