'use strict';
const data = JSON.parse(document.getElementById('data').textContent);
const make = (name, text, className) => { const e = document.createElement(name); if (text !== undefined) e.textContent = text; if (className) e.className = className; return e; };
const percent = p => p === null || p === undefined ? '' : (p >= 0.0995 ? (100 * p).toFixed(0) : (100 * p).toPrecision(2)) + ' %';
const plain = text => text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069\u200b-\u200f\ufeff]/g, c => '\\u' + c.charCodeAt(0).toString(16).padStart(4, '0'));
const shown = text => text === '' ? '(nothing)' : plain(text).replace(/\n/g, '\u23ce').replace(/\t/g, '\u21e5');
const word = (model, id) => shown(model.texts[id]);
let at = Math.max(0, data.models[0].tokens.length - 1), layer = 0, head = 0;

function shares(model, token, which) {
  const packed = model.tokens[token].l && model.tokens[token].l[which].a, heads = model.heads[which], kept = model.kept;
  if (!packed || !heads) return [];
  const bytes = Uint8Array.from(atob(packed), c => c.charCodeAt(0)), all = [];
  for (let h = 0; h < heads; h++) {
    if (head > 0 && h !== head - 1) continue;
    for (let k = 0; k < kept; k++) {
      const o = 3 * (h * kept + k), weight = bytes[o + 2];
      if (weight > 0) all.push([bytes[o] + 256 * bytes[o + 1], weight / 255]);
    }
  }
  const sums = new Map();
  for (const [p, w] of all) sums.set(p, (sums.get(p) || 0) + w / (head > 0 ? 1 : heads));
  return [...sums].sort((x, y) => y[1] - x[1]).slice(0, 16);
}

const texts = document.getElementById('texts'), details = document.getElementById('details');
if (data.models.length > 1) for (const one of [texts, details]) one.classList.add('two');
const views = data.models.map((model, m) => {
  const box = make('section', undefined, 'text'), group = make('div', undefined, 'tokens');
  if (data.models.length > 1) box.append(make('h2', model.name));
  group.setAttribute('role', 'group');
  group.setAttribute('aria-label', 'Tokens of the text by ' + model.name);
  const lines = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  lines.classList.add('lines');
  lines.setAttribute('aria-hidden', 'true');
  const buttons = model.tokens.map((token, i) => {
    const button = make('button', model.texts[token.i] === '' ? '\u00b7' : plain(model.texts[token.i])); // what its label begins with, too
    button.type = 'button';
    button.tabIndex = -1;
    if (i >= model.prompt) button.classList.add('answer');
    const surprise = token.p === undefined ? 0 : Math.min(1, -Math.log2(Math.max(token.p, 1e-30)) / 12);
    button.style.setProperty('--s', surprise.toFixed(2));
    button.setAttribute('aria-label', word(model, token.i) + (token.p === undefined ? '' : ', ' + percent(token.p)));
    button.addEventListener('click', () => choose(i, m, false));
    group.append(button);
    return button;
  });
  group.addEventListener('keydown', event => {
    const move = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: 10, ArrowUp: -10, Home: -1e9, End: 1e9 }[event.key];
    if (move === undefined) return;
    event.preventDefault();
    choose(Math.max(0, Math.min(buttons.length - 1, at + move)), m, true);
  });
  group.append(lines);
  box.append(group);
  texts.append(box);
  return { model, group, buttons, lines };
});

// The title stands outside of what scrolls, so that a narrow screen shows all of it.
function table(model, caption, heads, rows) {
  const box = make('div'), scroll = make('div', undefined, 'scroll'), t = make('table'), top = make('tr'), name = data.models.length > 1 ? model.name + ': ' + caption : caption;
  scroll.tabIndex = 0; scroll.setAttribute('role', 'region'); scroll.setAttribute('aria-label', name); t.setAttribute('aria-label', name);
  for (const [text, kind] of heads) { const th = make('th', text, kind); th.scope = 'col'; top.append(th); }
  const headRow = make('thead'); headRow.append(top); t.append(headRow);
  const body = make('tbody');
  for (const row of rows) { const tr = make('tr'); row.forEach((cell, i) => { const td = make('td', undefined, heads[i][1]); if (cell && cell.code !== undefined) td.append(make('code', cell.code)); else td.textContent = cell; tr.append(td); }); body.append(tr); }
  t.append(body); scroll.append(t); box.append(make('h3', caption), scroll);
  return box;
}

function draw() {
  details.textContent = '';
  for (const view of views) {
    const model = view.model, token = model.tokens[at], column = make('section');
    column.append(make('h2', (data.models.length > 1 ? model.name + ': ' : '') + 'token ' + (at + 1) + ', \u201c' + word(model, token.i) + '\u201d'));
    column.append(make('p', token.p === undefined ? 'Nothing comes before the first token.' : 'It had ' + percent(token.p) + ' and was number ' + token.r + ' of what was expected; its surprise is ' + (-Math.log2(Math.max(token.p, 1e-30))).toFixed(1) + ' bits.'));
    if (token.c.length) column.append(table(model, 'What was expected here', [['token', 'w'], ['probability', 'n']], token.c.map(([id, p]) => [{ code: word(model, id) }, percent(p)])));
    if (token.l) {
      const rows = token.l.map((l, i) => [String(model.layers[i]), { code: l.t.length ? word(model, l.t[0][0]) : '' }, l.t.length ? percent(l.t[0][1]) : '', l.t.slice(1, 3).map(([id, p]) => word(model, id) + ' ' + percent(p)).join(', '), l.n.toPrecision(3),
        (l.e ? 'experts ' + l.e.map(([e, w]) => e + ' (' + percent(w) + ')').join(', ') : '') + (l.e && l.s !== undefined ? ', ' : '') + (l.s === undefined ? '' : 'state ' + l.s.toPrecision(3))]);
      column.append(table(model, 'What would come next, if the model ended after a layer', [['layer', 'n'], ['likeliest', 'w'], ['probability', 'n'], ['then', 'w'], ['norm', 'n'], ...(rows.some(row => row[5]) ? [['experts and state', 'w']] : [])], rows.map(row => row[5] || rows.some(other => other[5]) ? row : row.slice(0, 5))));
      const looked = shares(model, at, layer);
      if (looked.length) column.append(table(model, 'Attention of this token in layer ' + model.layers[layer], [['place', 'n'], ['token', 'w'], ['share', 'n']], looked.slice(0, 10).map(([p, w]) => [String(p + 1), { code: word(model, model.tokens[p].i) }, percent(w)])));
      else if (!model.heads[layer]) column.append(make('p', 'Layer ' + model.layers[layer] + ' has no attention: it remembers what came before in a state.'));
      lines(view, looked);
    }
    details.append(column);
  }
}

function lines(view, looked) {
  view.lines.textContent = '';
  const box = view.group.getBoundingClientRect(), from = view.buttons[at].getBoundingClientRect();
  view.lines.setAttribute('viewBox', '0 0 ' + box.width + ' ' + box.height);
  for (const [p, w] of looked) {
    if (p === at) continue;
    const to = view.buttons[p].getBoundingClientRect(), path = document.createElementNS('http://www.w3.org/2000/svg', 'path');
    const x1 = from.left + from.width / 2 - box.left, y1 = from.top - box.top + 3, x2 = to.left + to.width / 2 - box.left, y2 = to.top - box.top + 3, lift = Math.min(y1, y2) - 14;
    path.setAttribute('d', 'M' + x1 + ',' + y1 + 'C' + x1 + ',' + lift + ' ' + x2 + ',' + lift + ' ' + x2 + ',' + y2);
    path.setAttribute('stroke-width', (0.75 + 5 * w).toFixed(2));
    path.setAttribute('stroke-opacity', (0.2 + 0.8 * w).toFixed(2));
    view.lines.append(path);
  }
}

function choose(i, m, focus) {
  at = i;
  for (const view of views) view.buttons.forEach((b, k) => { b.setAttribute('aria-pressed', String(k === at)); b.tabIndex = k === at ? 0 : -1; });
  if (focus) views[m].buttons[at].focus();
  draw();
}

const form = document.getElementById('controls'), first = data.models[0];
if (first.layers.length) {
  const select = (label, options, change) => {
    const l = make('label', label + ' '), s = make('select');
    options.forEach((text, i) => { const o = make('option', text); o.value = i; s.append(o); });
    s.addEventListener('change', () => { change(Number(s.value)); draw(); });
    l.append(s); form.append(l);
  };
  select('Attention in layer', first.layers.map(String), v => { layer = v; });
  select('head', ['all', ...Array.from({ length: Math.max(...first.heads, 0) }, (_, i) => String(i))], v => { head = v; });
} else form.remove();
window.addEventListener('resize', draw);
choose(at, 0, false);
