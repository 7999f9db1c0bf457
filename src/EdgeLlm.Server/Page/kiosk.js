// A screen that many use: after some time without a touch all is forgotten, and the screen says whose it is.
import { choose } from './texts.js';

const element = id => document.getElementById(id);

// What the service says of its page; all of it may be missing.
export async function configuration() {
  try {
    const response = await fetch('page.json');
    if (response.ok) return await response.json();
  } catch { /* offline: the page is as it is */ }
  return {};
}

export function dress(page) {
  const root = document.documentElement.style;
  if (page.accent) root.setProperty('--accent', page.accent);
  if (page.accent) root.setProperty('--accent-ink', page.accentInk ?? '#ffffff');
  if (page.logo) {
    for (const id of ['logo', 'attract-logo']) {
      element(id).src = 'logo';
      element(id).hidden = false;
    }
  }
  element('attract-name').textContent = page.name ?? 'EdgeLlm';
  element('attract-greeting').textContent = page.greeting ?? '';
}

// `isBusy` says whether an answer is being written, `reset` forgets everything.
export function watchIdle(seconds, isBusy, reset) {
  const attract = element('attract');
  let timer;
  const stay = () => {
    clearTimeout(timer);
    timer = setTimeout(sleep, seconds * 1000);
  };
  const sleep = () => {
    if (isBusy()) { stay(); return; }
    document.querySelectorAll('dialog[open]').forEach(dialog => dialog.close('cancel'));
    reset();
    attract.hidden = false;
    element('begin').focus();
  };
  // Ends with the click, not when the finger comes down: else the click would be on whatever is under the screen that is gone.
  const wake = event => {
    event.preventDefault();
    attract.hidden = true;
    element('question').focus();
    stay();
  };
  attract.addEventListener('click', wake);
  attract.addEventListener('keydown', event => { if (!event.ctrlKey && !event.altKey && !event.metaKey) wake(event); });
  for (const event of ['pointerdown', 'keydown', 'wheel', 'touchstart']) addEventListener(event, stay, { passive: true, capture: true });
  stay();
}

export function settleLanguage(page, own) {
  return choose(own, page.language, ...navigator.languages);
}

// The page without the service: its files are kept, so that it can say that there is no connection.
export function install() {
  if (!navigator.serviceWorker || !isSecureContext) return;
  const policy = window.trustedTypes?.createPolicy('worker', { createScriptURL: () => 'worker.js' });
  navigator.serviceWorker.register(policy ? policy.createScriptURL('') : 'worker.js').catch(() => { /* then not */ });
}
