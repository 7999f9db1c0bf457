// The admin view: what the service does, out of /admin and /slots, which take a key with the role admin. The key is kept for this tab alone.
import { make } from './markdown.js';
import { plot } from './plots.js';

const element = id => document.getElementById(id);
const betweenReadings = 2000; // ms
const mostLines = 500; // of the log
const levels = ['info', 'warning', 'error'];

let key = read() ?? '';
let lastLine = 0; // of the log
let before = null; // the last /admin/status with its time
const lines = [];

function read() {
  try { return sessionStorage.getItem('admin-key'); } catch { return null; } // storage is switched off
}

function keepKey(value) {
  key = value;
  try { if (key) sessionStorage.setItem('admin-key', key); else sessionStorage.removeItem('admin-key'); } catch { /* not kept, then */ }
}

function say(text) {
  if (element('status').textContent !== text) element('status').textContent = text;
}

class Refusal extends Error {}

// A response that is well; where the key is not, another one is asked for.
async function call(path, options = {}) {
  for (;;) {
    const response = await fetch(path, { ...options, headers: { 'Content-Type': 'application/json', ...(key && { Authorization: `Bearer ${key}` }) } });
    if (response.ok) return response;
    const { error } = await response.json().catch(() => ({}));
    const problem = error?.message ?? error ?? `the service answered ${response.status}`;
    if (response.status === 401) await askForKey(key ? 'That key is wrong.' : '');
    else if (response.status === 403 && key && /role/.test(problem)) await askForKey('That key is not an administrator’s.');
    else throw new Refusal(problem);
  }
}

const get = async path => (await call(path)).json();
const send = async (path, method, body) => (await call(path, { method, body: body && JSON.stringify(body) })).json();

let asking = null; // the dialog's end, while it is open

function askForKey(wrong) {
  return asking ??= new Promise(resolve => {
    const dialog = element('key');
    keepKey('');
    element('view').hidden = true;
    element('sign-out').hidden = true;
    element('key-wrong').textContent = wrong;
    element('key-text').value = '';
    say('a key is needed');
    dialog.addEventListener('close', () => {
      keepKey(element('key-text').value.trim());
      asking = null;
      resolve();
    }, { once: true });
    dialog.showModal();
  });
}

element('key').addEventListener('cancel', event => event.preventDefault()); // nothing is here without a key

// ---- Numbers as people read them

const bytes = count => count >= 1e9 ? `${(count / 1e9).toFixed(2)} GB` : `${(count / 1e6).toFixed(count < 1e7 ? 1 : 0)} MB`;

function time(seconds) {
  const [days, hours, minutes] = [Math.floor(seconds / 86400), Math.floor(seconds / 3600) % 24, Math.floor(seconds / 60) % 60];
  return days ? `${days} d ${hours} h` : hours ? `${hours} h ${minutes} min` : minutes ? `${minutes} min` : `${Math.floor(seconds)} s`;
}

// ---- What is shown

function fill(table, names, rows) {
  const head = make('tr', '', ...names.map(name => Object.assign(make('th', '', name), { scope: 'col' })));
  table.replaceChildren(make('thead', '', head), make('tbody', '', ...rows.map(cells => make('tr', '', ...cells.map((cell, i) => make('td', i === 0 ? 'name' : '', ...[cell ?? ''].flat()))))));
}

function press(text, label, does) {
  const made = make('button', '', text);
  made.type = 'button';
  if (label) made.setAttribute('aria-label', label);
  made.addEventListener('click', async () => {
    made.disabled = true;
    try { await does(); } catch (error) { say(error.message); }
    made.disabled = false;
  });
  return made;
}

function showNow(status) {
  const { requests, machine, throughput } = status;
  const facts = [
    ['State', status.state], ['Running since', time(status.uptime_seconds)], ['Version', status.version],
    ['Answers', `${requests.running} of ${requests.parallel}`], ['Waiting', `${requests.waiting} of ${requests.queue}`], ['Answered', `${requests.answered}${requests.failed ? `, ${requests.failed} failed` : ''}`],
    ['Tokens read', `${throughput.prompt_tokens}${throughput.cached_tokens ? ` (${throughput.cached_tokens} known)` : ''}`], ['Tokens written', throughput.generated_tokens],
    ['Temperature', machine.temperature === undefined ? null : `${machine.temperature.toFixed(1)} °C`], ['Clock', machine.megahertz === undefined ? null : `${machine.megahertz} MHz`],
    ['Memory of this service', machine.anonymous_bytes === undefined ? null : bytes(machine.anonymous_bytes)], ['Memory left', `${bytes(machine.available_bytes)} of ${bytes(machine.memory_bytes)}`],
    ['Connections', status.connections],
  ].filter(([, value]) => value !== null);
  element('now').replaceChildren(...facts.flatMap(([name, value]) => [make('dt', '', name), make('dd', '', String(value))]));
  const reasons = machine.throttled.map(one => `${one.reason.replaceAll('_', ' ')} ${one.now ? 'now' : 'since the start'}`);
  element('throttled').textContent = `The processor is slowed down: ${reasons.join(', ')}.`;
  element('throttled').hidden = reasons.length === 0;
}

function showPlots(status) {
  const now = performance.now();
  const rate = name => before ? Math.max(0, (status.throughput[name] - before.status.throughput[name]) / ((now - before.at) / 1000)) : 0;
  plot('Tokens written', rate('generated_tokens'), '/s');
  plot('Tokens read', rate('prompt_tokens'), '/s');
  plot('Waiting', status.requests.waiting, '');
  if (status.machine.temperature !== undefined) plot('Temperature', status.machine.temperature, ' °C');
  before = { at: now, status };
}

const models = new Map(); // by name, as they were drawn: a button that has the focus keeps it

function showModels(all) {
  const drawn = JSON.stringify(all);
  if (models.drawn === drawn) return;
  models.drawn = drawn;
  const focused = document.activeElement?.closest?.('#models') ? document.activeElement.getAttribute('aria-label') : null;
  fill(element('models'), ['Name', 'Kind', 'File', 'Memory', 'Context', 'State', 'Change'], all.map(one => [
    one.name, [one.family, one.quantization].filter(text => text).join(' '), bytes(one.size), one.memory_bytes === undefined ? '–' : bytes(one.memory_bytes), one.context_length || '–',
    one.is_loaded ? one.answers ? `${one.answers} answering` : 'loaded' : 'on disk',
    one.is_loaded ? press('Unload', `Unload ${one.name}`, () => change('unload', one.name)) : press('Load', `Load ${one.name}`, () => change('load', one.name)),
  ]));
  if (focused) element('models').querySelector(`[aria-label$="${CSS.escape(focused.split(' ').slice(1).join(' '))}"]`)?.focus();
}

async function change(what, model) {
  say(`${what}ing ${model}`);
  await send(`admin/models/${what}`, 'POST', { model });
  await update();
}

function showRequests(slots) {
  const taken = slots.filter(one => one.is_processing);
  element('requests-none').hidden = taken.length > 0;
  if (taken.length === 0) { element('requests').replaceChildren(); return; }
  fill(element('requests'), ['For', 'Model', 'State', 'Prompt', 'Written', 'Time'], taken.map(one => [
    one.client || 'this machine', one.model, one.is_waiting ? 'waits' : one.generated_tokens ? 'writes' : 'reads', one.prompt_tokens, `${one.generated_tokens} of ${one.max_tokens}`, `${one.seconds.toFixed(0)} s`,
  ]));
}

function showKeys(keys) {
  element('keys-none').hidden = keys.length > 0;
  if (keys.length === 0) return;
  fill(element('keys'), ['Name', 'Role', 'Models', 'Requests a minute', 'Tokens today', 'Made'], keys.map(one => [
    one.name, one.role, one.models?.join(', ') ?? 'all', one.requests_per_minute || 'no limit', one.tokens_per_day ? `${one.tokens_today} of ${one.tokens_per_day}` : one.tokens_today,
    one.created ? new Date(one.created).toLocaleDateString() : '–',
  ]));
}

function showCache(cache) {
  const onDisk = cache.files.reduce((sum, file) => sum + file.size, 0);
  element('cache').textContent = `${bytes(cache.bytes)} of at most ${bytes(cache.most_bytes)} in memory; ${cache.files.length} ${cache.files.length === 1 ? 'file' : 'files'} on disk${onDisk ? `, ${bytes(onDisk)}` : ''}.`;
}

function showLog(fresh) {
  const log = element('log');
  const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 24;
  lines.push(...fresh);
  lines.splice(0, lines.length - mostLines);
  const least = levels.indexOf(element('log-level').value);
  log.replaceChildren(...lines.filter(line => levels.indexOf(line.level) >= least).map(line => make('p', line.level, `${new Date(line.time).toLocaleTimeString()} ${line.level === 'info' ? '' : `${line.level}: `}${line.text}`)));
  if (atEnd) log.scrollTop = log.scrollHeight;
}

async function showSettings() {
  const all = await get('admin/settings');
  const shown = all.filter(one => element('settings-all').checked || one.source !== 'default');
  fill(element('settings'), ['Setting', 'Value', 'From'], shown.map(one => [
    [one.name, make('span', 'note', one.description)], one.value ?? (one.source === 'default' ? 'default' : 'not shown'), one.source,
  ]));
}

// ---- What happens

async function update() {
  const status = await get('admin/status'); // alone: a key that is refused is refused once
  const [slots, log, keys, cache] = await Promise.all(['slots', `admin/logs?after=${lastLine}`, 'admin/keys', 'admin/cache'].map(get));
  if (before && status.uptime_seconds < before.status.uptime_seconds) { // started again: its lines begin anew
    [lastLine, before] = [0, null];
    lines.length = 0;
    return;
  }
  showNow(status);
  showPlots(status);
  showModels(status.models);
  showRequests(slots);
  showKeys(keys);
  showCache(cache);
  if (log.length > 0) {
    lastLine = log.at(-1).number;
    showLog(log);
  }
  element('view').hidden = false;
  element('sign-out').hidden = !key;
  say(status.state);
}

async function watch() {
  for (let shown = false; ;) {
    try {
      await update();
      if (!shown) await showSettings();
      shown = true;
    } catch (error) {
      if (!(error instanceof Refusal)) [lastLine, before] = [0, null]; // it may have been started again
      if (lastLine === 0) lines.length = 0;
      say(error instanceof Refusal ? error.message : 'No connection to the service; trying again');
    }
    await new Promise(resolve => setTimeout(resolve, betweenReadings));
  }
}

let pulling = null; // the AbortController of the model that is being fetched

element('pull').addEventListener('submit', async event => {
  event.preventDefault();
  const name = element('pull-name').value.trim();
  if (!name || pulling) return;
  pulling = new AbortController();
  const [status, bar] = [element('pull-status'), element('pull-progress')];
  element('pull-begin').hidden = bar.hidden = true;
  element('pull-stop').hidden = false;
  status.textContent = `asking for ${name}`;
  try {
    const response = await call('api/pull', { method: 'POST', body: JSON.stringify({ model: name }), signal: pulling.signal });
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let rest = ''; ;) {
      const { value, done } = await reader.read();
      if (done) break;
      const parts = (rest + value).split('\n');
      rest = parts.pop();
      for (const line of parts.filter(part => part).map(part => JSON.parse(part))) {
        if (line.error) throw new Refusal(line.error);
        bar.hidden = !line.total;
        if (line.total) bar.value = line.completed / line.total;
        status.textContent = line.total ? `${bytes(line.completed)} of ${bytes(line.total)}` : line.status === 'success' ? `${name} is here` : line.status;
      }
    }
    element('pull-name').value = '';
  } catch (error) {
    status.textContent = pulling.signal.aborted ? 'stopped; what has come is kept' : error.message;
  }
  pulling = null;
  bar.hidden = element('pull-stop').hidden = true;
  element('pull-begin').hidden = false;
});
element('pull-stop').addEventListener('click', () => pulling?.abort());
element('cache-clear').addEventListener('click', async () => {
  try { showCache(await send('admin/cache', 'DELETE')); } catch (error) { say(error.message); }
});
element('log-level').addEventListener('change', () => showLog([]));
element('settings-all').addEventListener('change', () => showSettings().catch(error => say(error.message)));
element('sign-out').addEventListener('click', () => { keepKey(''); location.reload(); });

watch();
