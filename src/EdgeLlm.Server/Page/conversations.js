// Conversations that are kept in this browser: the current one (the tab's own, and for the next start of the browser), the one before it, and older ones.
const most = 30;

function read(store, name) {
  try { return JSON.parse(store.getItem(name)); } catch { return null; } // storage is switched off, or holds something else
}

function write(stores, name, value) {
  for (const store of stores) {
    try {
      if (value?.length) store.setItem(name, JSON.stringify(value)); else store.removeItem(name);
    } catch { /* full or switched off: then it is not kept */ }
  }
}

const checked = found => Array.isArray(found) ? found.filter(one => typeof one?.content === 'string' && ['user', 'assistant'].includes(one.role)) : null;

// A conversation by its name, or null.
export function load(name) {
  return checked(read(sessionStorage, name)) ?? checked(read(localStorage, name));
}

// `previous` is for the tab alone.
export function keep(name, value) {
  write(name === 'previous' ? [sessionStorage] : [sessionStorage, localStorage], name, value);
}

// Older conversations, the newest first: { id, title, messages }.
export function older() {
  const found = read(localStorage, 'older');
  return Array.isArray(found) ? found.filter(one => typeof one?.id === 'string' && typeof one.title === 'string' && checked(one.messages)?.length) : [];
}

export function archive(messages) {
  const asked = messages.find(one => one.role === 'user');
  if (!asked) return;
  const title = asked.content.replace(/\s+/g, ' ').slice(0, 60);
  write([localStorage], 'older', [{ id: `${Date.now()}-${Math.random()}`, title, messages }, ...older()].slice(0, most));
}

export function forget(id) {
  write([localStorage], 'older', id === undefined ? [] : older().filter(one => one.id !== id));
}

// A choice of the reader's, such as large text.
export function option(name, value) {
  if (value === undefined) return read(localStorage, `option-${name}`);
  try { localStorage.setItem(`option-${name}`, JSON.stringify(value)); } catch { /* not kept, then */ }
  return value;
}
