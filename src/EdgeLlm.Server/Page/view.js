// What of a conversation is shown.
import { blocks, make } from './markdown.js';
import { t } from './texts.js';

export function button(text, className, data) {
  const made = make('button', className, text);
  made.type = 'button';
  Object.assign(made.dataset, data);
  return made;
}

export function addTurn(turns, role, text) {
  const speaker = make('h2', 'quiet', t(role === 'user' ? 'you' : 'assistant'));
  const body = make('div', 'body', ...(text === undefined ? [] : [text]));
  const turn = make('article', `turn ${role}`, speaker, body);
  turn.setAttribute('aria-label', speaker.textContent);
  if (role === 'user') turn.append(button(t('edit'), 'copy', { does: 'edit' }));
  turns.append(turn);
  turns.scrollTop = turns.scrollHeight;
  return turn;
}

// Shows an answer so far: of its parts, only those that are not there yet as they are.
export function draw(turns, turn, text) {
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

export function finish(turns, turn, text, note) {
  draw(turns, turn, text);
  if (note) turn.append(make('p', 'note', note));
  if (!text) return;
  turn.answer = text;
  turn.append(button(t('copy'), 'copy', { copies: 'answer' }), button(t('again'), 'copy', { does: 'again' }));
  turns.scrollTop = turns.scrollHeight;
}

export function addProblem(turns, text) {
  const note = make('p', 'note wrong', text);
  note.setAttribute('role', 'alert');
  turns.append(note);
  turns.scrollTop = turns.scrollHeight;
}

// Says each sentence once, as it ends; the rest at the end.
export function speaker(spoken) {
  let said = 0, first = true;
  return (text, isWhole) => {
    const fresh = text.slice(said);
    const ends = [...fresh.matchAll(/[.!?…:;]["')\]*_]*\s|\n/g)];
    const length = isWhole ? fresh.length : ends.length > 0 ? ends.at(-1).index + ends.at(-1)[0].length : 0;
    const words = fresh.slice(0, length).replace(/[*_`#|~>]+/g, ' ').replace(/\s+/g, ' ').trim();
    said += length;
    if (words) spoken.append(make('p', '', first ? `${t('assistant')}: ${words}` : words));
    if (words) first = false;
    while (spoken.childElementCount > 20) spoken.firstChild.remove();
  };
}

export async function copy(pressed, say) {
  const text = pressed.dataset.copies === 'code' ? pressed.closest('.code').querySelector('pre').textContent : pressed.closest('.turn').answer;
  let worked = true;
  try {
    await navigator.clipboard.writeText(text); // only there on this machine itself and over HTTPS
  } catch {
    const field = make('textarea', 'quiet', text);
    document.body.append(field);
    field.select();
    worked = document.execCommand('copy');
    field.remove();
    pressed.focus();
  }
  pressed.textContent = t(worked ? 'copied' : 'notCopied');
  say(pressed.textContent.toLowerCase());
  setTimeout(() => { pressed.textContent = t('copy'); }, 2000);
}
