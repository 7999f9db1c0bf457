// The service's own API, of which the page needs /api/tags and /api/chat. What passes by itself (no connection, a model that is being loaded, a full
// queue) is waited for; `tell` hears of it in words.
import { t } from './texts.js';

const element = id => document.getElementById(id);
const longestWait = 10;

export class Refusal extends Error {}

const stores = [sessionStorage, localStorage];
let key = stores.map(store => read(store, 'key')).find(value => value) ?? '';
let wasSent = false; // whether the key was tried

function read(store, name) {
  try { return store.getItem(name); } catch { return null; } // storage may be switched off
}

// The model's name.
export async function findModel(tell) {
  const response = await persist('api/tags', {}, tell);
  return (await response.json()).models[0].name;
}

// An answer, piece by piece: { text }, { ahead, progress } while others are answered first and the prompt is read, { done } with the numbers at the end. What came is void after { again }.
export async function* chat(body, signal, tell) {
  for (let attempt = 0; ; attempt++) {
    const response = await persist('api/chat', { method: 'POST', body: JSON.stringify(body), signal }, tell);
    try {
      for await (const line of lines(response)) {
        if (line.error) throw new Refusal(line.error);
        if (line.message.content) yield { text: line.message.content };
        else if (line.queue_position !== undefined) yield { ahead: line.queue_position, progress: line.prompt_progress };
        if (line.done) { yield { done: line }; return; }
      }
    } catch (error) {
      if (signal.aborted || error instanceof Refusal && await isReady()) throw error; // not ready: it is being stopped, and comes again
    }
    yield { again: true };
    await pause(t('lost'), Math.min(2 ** attempt, longestWait), signal, tell);
  }
}

// A response that is well, asked for until it comes.
async function persist(path, options, tell) {
  for (let attempt = 0; ; attempt++) {
    let response;
    try {
      response = await fetch(path, { ...options, headers: { 'Content-Type': 'application/json', ...(key && { Authorization: `Bearer ${key}` }) } });
    } catch (error) {
      if (options.signal?.aborted) throw error;
      await pause(t('offline'), Math.min(2 ** attempt, longestWait), options.signal, tell);
      continue;
    }
    if (response.ok) return response;
    const problem = (await response.json().catch(() => ({}))).error ?? t('answered', response.status);
    if (response.status === 401) await askForKey(options.signal);
    else if (response.status === 503 || response.status === 429)
      await pause(t('full', problem), Math.min(Number(response.headers.get('Retry-After')) || 2, longestWait), options.signal, tell);
    else throw new Refusal(problem);
  }
}

async function isReady() {
  try { return (await fetch('health/ready')).ok; } catch { return false; }
}

async function pause(reason, seconds, signal, tell) {
  tell(t('later', reason, seconds));
  await new Promise((resolve, reject) => {
    const timer = setTimeout(go, seconds * 1000);
    addEventListener('online', go, { once: true });
    signal?.addEventListener('abort', go, { once: true });
    function go() {
      clearTimeout(timer);
      removeEventListener('online', go);
      if (signal?.aborted) reject(signal.reason); else resolve();
    }
  });
}

function askForKey(signal) {
  const [dialog, text, wrong] = ['key', 'key-text', 'key-wrong'].map(element);
  wrong.textContent = wasSent && key ? t('keyWrong') : '';
  text.value = '';
  return new Promise((resolve, reject) => {
    dialog.addEventListener('close', () => {
      if (dialog.returnValue !== 'use') { reject(new Refusal(t('keyNeeded'))); return; }
      key = text.value.trim();
      wasSent = true;
      const keeps = element('key-keep').checked;
      stores.forEach((store, i) => {
        try { if (i === 0 || keeps) store.setItem('key', key); else store.removeItem('key'); } catch { /* not kept, then */ }
      });
      resolve();
    }, { once: true });
    signal?.addEventListener('abort', () => dialog.close('cancel'), { once: true });
    dialog.returnValue = '';
    dialog.showModal();
  });
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
