// The device's conversation and its devices' states, and a way to talk to it: what is typed, or spoken while the button is held.
const element = id => document.getElementById(id);
const mostLines = 200, mostSeconds = 60, longestWait = 10;

let key = sessionStorage.getItem('key') ?? '';
let answer = null, hears = false;

const headers = more => ({ ...more, ...(key && { Authorization: `Bearer ${key}` }) });
const tell = problem => { element('problem').textContent = problem ?? ''; };
const sleep = seconds => new Promise(done => setTimeout(done, 1000 * seconds));

async function askForKey() {
  const dialog = element('key-dialog');
  dialog.showModal();
  await new Promise(done => dialog.addEventListener('close', done, { once: true }));
  key = element('key').value.trim();
  sessionStorage.setItem('key', key);
}

function line(kind, text) {
  const item = document.createElement('li');
  item.className = kind;
  item.textContent = text;
  const list = element('conversation');
  list.append(item);
  while (list.children.length > mostLines) list.firstChild.remove();
  item.scrollIntoView({ block: 'end' });
  return item;
}

function showLevel(name, level) {
  for (const item of element('devices').children) {
    if (item.dataset.name === name) item.lastChild.textContent = level === 0 ? 'off' : level === 100 ? 'on' : `${level} %`;
  }
}

const shows = {
  hello(event) {
    element('state').textContent = event.state;
    hears = event.hears;
    element('devices').replaceChildren(...event.devices.map(device => {
      const item = document.createElement('li');
      item.dataset.name = device.name;
      item.append(document.createElement('span'), document.createElement('span'));
      item.firstChild.textContent = device.name;
      item.lastChild.textContent = device.level === undefined ? device.kind : '';
      return item;
    }));
    for (const device of event.devices) if (device.level !== undefined) showLevel(device.name, device.level);
    showTalk();
  },
  state(event) { element('state').textContent = event.state; },
  heard(event) { line('heard', event.text); answer = null; },
  answer(event) { answer ??= line('answer', ''); answer.textContent += event.text; },
  answered(event) { (answer ?? line('answer', '')).textContent = event.text; answer = null; },
  call(event) { line('call', event.text); },
  device(event) { showLevel(event.name, event.level); },
  problem(event) { tell(event.text); },
};

// Events, from the beginning again whenever the connection is lost.
async function watch() {
  for (let attempt = 0; ; attempt++) {
    try {
      const response = await fetch('assistant/events', { headers: headers() });
      if (response.status === 401) { await askForKey(); continue; }
      if (!response.ok) throw new Error((await response.json().catch(() => ({}))).error?.message ?? `the service answered ${response.status}`);
      tell();
      attempt = 0;
      let rest = '';
      for (const reader = response.body.pipeThrough(new TextDecoderStream()).getReader(); ;) {
        const { value, done } = await reader.read();
        if (done) break;
        const parts = (rest + value).split('\n\n');
        rest = parts.pop();
        for (const part of parts) {
          if (!part.startsWith('data: ')) continue;
          const event = JSON.parse(part.slice(6));
          shows[event.type]?.(event);
        }
      }
    } catch (error) {
      tell(error.message);
    }
    element('state').textContent = 'connecting';
    await sleep(Math.min(2 ** attempt, longestWait));
  }
}

async function talk(body, type) {
  const here = element('here').checked;
  const response = await fetch(`assistant/talk${here ? '?silent=true' : ''}`, { method: 'POST', headers: headers({ 'Content-Type': type }), body });
  const said = await response.json().catch(() => ({}));
  if (!response.ok) { tell(said.error?.message ?? said.error ?? `the service answered ${response.status}`); return; }
  tell(said.heard === '' ? 'Nothing was understood.' : '');
  if (here && said.answer) await speak(said.answer);
}

// The answer in this browser, by the service's own voice.
async function speak(text) {
  const response = await fetch('v1/audio/speech', { method: 'POST', headers: headers({ 'Content-Type': 'application/json' }), body: JSON.stringify({ model: 'tts-1', input: text, voice: 'alloy', response_format: 'wav' }) });
  if (!response.ok) { tell('There is no voice for this browser; the answer is shown.'); return; }
  const context = new AudioContext(), player = context.createBufferSource();
  player.buffer = await context.decodeAudioData(await response.arrayBuffer());
  player.connect(context.destination);
  player.addEventListener('ended', () => context.close());
  player.start();
}

// Why the microphone can't be used; null: it can.
function hindrance() {
  if (!window.isSecureContext || !navigator.mediaDevices) return 'Talking takes HTTPS (setting tls), or a browser on the device itself.';
  return hears ? null : 'No model that hears is on the device.';
}

function showTalk() {
  const why = hindrance();
  element('talk').disabled = why !== null;
  element('talk').title = why ?? 'Hold, speak, let go';
  if (why) element('talk').textContent = why;
  else if (!recording) element('talk').textContent = 'Hold to talk';
}

let recording = null;

async function begin() {
  if (recording || hindrance()) return;
  const mine = recording = { pieces: [], ended: false };
  element('talk').classList.add('on');
  try {
    mine.stream = await navigator.mediaDevices.getUserMedia({ audio: { channelCount: 1, echoCancellation: true, noiseSuppression: true } });
    mine.context = new AudioContext();
    await mine.context.audioWorklet.addModule('recorder.js');
    const recorder = new AudioWorkletNode(mine.context, 'recorder');
    recorder.port.onmessage = event => { if (mine.pieces.length < 10 * mostSeconds) mine.pieces.push(event.data); };
    mine.context.createMediaStreamSource(mine.stream).connect(recorder);
    if (mine.ended) close(mine);
  } catch (error) {
    close(mine);
    tell(error.name === 'NotAllowedError' ? 'The browser was not allowed to use the microphone.' : error.message);
  }
}

function close(mine) {
  mine.stream?.getTracks().forEach(track => track.stop());
  mine.context?.close();
  if (recording === mine) recording = null;
  element('talk').classList.remove('on');
}

async function end() {
  const mine = recording;
  if (!mine) return;
  mine.ended = true;
  await sleep(.15); // what is on its way
  close(mine);
  if (mine.pieces.length > 0) await talk(new Blob(mine.pieces), 'audio/pcm').catch(error => tell(error.message));
}

element('say').addEventListener('submit', event => {
  event.preventDefault();
  const text = element('text').value.trim();
  element('text').value = '';
  if (text) talk(JSON.stringify({ text }), 'application/json').catch(error => tell(error.message));
});
element('talk').addEventListener('pointerdown', event => { event.preventDefault(); element('talk').setPointerCapture(event.pointerId); begin(); });
for (const name of ['pointerup', 'pointercancel']) element('talk').addEventListener(name, end);
element('talk').addEventListener('keydown', event => { if ((event.key === ' ' || event.key === 'Enter') && !event.repeat) { event.preventDefault(); begin(); } });
element('talk').addEventListener('keyup', event => { if (event.key === ' ' || event.key === 'Enter') end(); });
element('cancel').addEventListener('click', () => fetch('assistant/cancel', { method: 'POST', headers: headers() }));
showTalk();
watch();
