// Markdown as nodes: headings, lists, quotes, tables, code, emphasis. A model's words only ever become text nodes: no HTML, no address that is loaded
// or followed. Links and images are shown with their address, which a small model often makes up.
const deepest = 6;            // of lists and quotes within each other
const fence = /^ {0,3}(`{3,}|~{3,})([^`]*)$/;
const heading = /^ {0,3}(#{1,6})(?:[ \t]+(.*))?$/;
const rule = /^ {0,3}(?:(?:\*[ \t]*){3,}|(?:-[ \t]*){3,}|(?:_[ \t]*){3,})$/;
const item = /^( {0,9})([-*+]|\d{1,9}[.)])(?:[ \t]+|$)(.*)$/;
const dividers = /^\|?:?-+:?(?:\|:?-+:?)*\|?$/; // without spaces

export function make(name, className, ...content) {
  const node = document.createElement(name);
  if (className) node.className = className;
  node.append(...content);
  return node;
}

// The parts of a text from top to bottom: { source, render }. Of a text that grows only the last parts change.
export function blocks(text) {
  return split(text.replaceAll('\r\n', '\n').split('\n'), 0);
}

function split(lines, depth) {
  const found = [];
  for (let i = 0; i < lines.length;) {
    if (!lines[i].trim()) { i++; continue; }
    const start = i;
    const render = next();
    found.push({ source: lines.slice(start, i).join('\n'), render });

    function next() {
      const line = lines[i++];
      const opened = fence.exec(line);
      if (opened) {
        const first = i;
        while (i < lines.length && !closes(lines[i], opened[1])) i++;
        const code = lines.slice(first, i++).join('\n');
        return () => codeBlock(code, opened[2].trim());
      }
      const head = heading.exec(line);
      if (head) return () => make(`h${Math.min(head[1].length + 2, 6)}`, '', ...inline(titleOf(head[2] ?? ''))); // h1 is the page's, h2 the speaker's
      if (rule.test(line)) return () => make('hr');
      if (/^ {0,3}>/.test(line) && depth < deepest) {
        while (i < lines.length && lines[i].trim() && (/^ {0,3}>/.test(lines[i]) || !startsBlock(lines[i]))) i++;
        const inner = lines.slice(start, i).map(quoted => quoted.replace(/^ {0,3}> ?/, ''));
        return () => make('blockquote', '', ...nodes(inner, depth + 1));
      }
      if (item.test(line) && depth < deepest) return list();
      if (isTable(start)) {
        while (i < lines.length && lines[i].includes('|') && lines[i].trim()) i++;
        const rows = lines.slice(start, i);
        return () => table(rows);
      }
      while (i < lines.length && lines[i].trim() && !startsBlock(lines[i]) && !isTable(i)) i++;
      const paragraph = lines.slice(start, i).map(part => part.trim()).join('\n');
      return () => make('p', '', ...inline(paragraph));
    }

    // A header and a line of dashes with as many cells.
    function isTable(at) {
      return lines[at].includes('|') && at + 1 < lines.length && dividers.test(lines[at + 1].replace(/\s/g, '')) && cells(lines[at]).length === cells(lines[at + 1]).length;
    }

    // Items with what is indented below them; a blank line ends the list unless another item or something indented follows.
    function list() {
      i = start;
      const [, , marker] = item.exec(lines[i]);
      const ordered = /\d/.test(marker);
      const items = [];
      while (i < lines.length) {
        const match = item.exec(lines[i]);
        if (!match || /\d/.test(match[2]) !== ordered || rule.test(lines[i])) break;
        const indent = match[1].length + match[2].length + 1;
        const inner = [match[3]];
        i++;
        for (;;) {
          let next = i;
          while (next < lines.length && !lines[next].trim()) next++;
          if (next === lines.length) break;
          const indented = leading(lines[next]) >= match[1].length + 2;
          if (!indented && (next > i || startsBlock(lines[next]))) break;
          for (; i <= next; i++) inner.push(lines[i].slice(Math.min(leading(lines[i]), indent)));
        }
        items.push(inner);
        const after = i;
        while (i < lines.length && !lines[i].trim()) i++;
        if (i >= lines.length || !item.test(lines[i])) { i = after; break; }
      }
      return () => {
        const node = make(ordered ? 'ol' : 'ul', '', ...items.map(inner => make('li', '', ...tight(nodes(inner, depth + 1)))));
        if (ordered) node.start = parseInt(marker, 10);
        return node;
      };
    }
  }
  return found;
}

function titleOf(text) {
  const title = text.trim();
  let end = title.length;
  while (title[end - 1] === '#') end--;
  return end === 0 || /\s/.test(title[end - 1]) ? title.slice(0, end).trim() : title; // # Title #
}

const leading = line => line.length - line.trimStart().length;
const nodes = (lines, depth) => split(lines, depth).map(block => block.render());
const tight = content => content.length > 0 && content[0].tagName === 'P' ? [...content[0].childNodes, ...content.slice(1)] : content;
const startsBlock = line => fence.test(line) || heading.test(line) || rule.test(line) || /^ {0,3}>/.test(line) || item.test(line);

function closes(line, opening) {
  const text = line.trim();
  return text.length >= opening.length && text[0] === opening[0] && [...text].every(char => char === opening[0]);
}

function codeBlock(code, language) {
  const copy = make('button', 'copy', 'Copy');
  copy.type = 'button';
  copy.dataset.copies = 'code';
  const name = language.slice(0, 30);
  const text = make('pre', '', make('code', '', code));
  text.tabIndex = 0; // scrolls to the side
  text.setAttribute('role', 'region');
  text.setAttribute('aria-label', name ? `Code: ${name}` : 'Code');
  return make('div', 'code', make('div', 'bar', make('span', '', name || 'code'), copy), text);
}

function table(rows) {
  const align = cells(rows[1]).map(cell => (cell.startsWith(':') ? 1 : 0) + (cell.endsWith(':') ? 2 : 0)).map(kind => ['', '', 'right', 'center'][kind]);
  const row = (line, name) => make('tr', '', ...align.map((side, i) => make(name, side, ...inline(cells(line)[i] ?? ''))));
  const body = make('tbody', '', ...rows.slice(2).map(line => row(line, 'td')));
  const wrapped = make('div', 'table', make('table', '', make('thead', '', row(rows[0], 'th')), body));
  wrapped.tabIndex = 0;
  wrapped.setAttribute('role', 'region');
  wrapped.setAttribute('aria-label', 'Table');
  return wrapped;
}

function cells(line) {
  const parts = [''];
  const text = line.trim().replace(/^\|/, '');
  for (let i = 0; i < text.length; i++) {
    if (text[i] === '\\' && text[i + 1] === '|') { parts[parts.length - 1] += '|'; i++; }
    else if (text[i] === '|') parts.push('');
    else parts[parts.length - 1] += text[i];
  }
  if (parts.length > 1 && !parts.at(-1).trim()) parts.pop();
  return parts.map(part => part.trim());
}

const emphasis = [['**', 'strong'], ['__', 'strong'], ['~~', 'del'], ['*', 'em'], ['_', 'em']];

// Emphasis, code, line ends. Each opening mark looks for its end once, so the work grows with the length times the marks that never end: those are
// remembered.
function inline(text, depth = 0) {
  const made = [];
  const endless = new Set();
  let plain = '';
  const flush = () => { if (plain) made.push(plain); plain = ''; };
  for (let i = 0; i < text.length;) {
    const char = text[i];
    if (char === '\\' && /[!-/:-@[-`{-~]/.test(text[i + 1] ?? '')) { plain += text[i + 1]; i += 2; continue; }
    if (char === '\n') { flush(); made.push(make('br')); i++; continue; } // what a model breaks, it means
    if (char === '`') {
      let after = i;
      while (text[after] === '`') after++;
      const ticks = text.slice(i, after);
      const end = endless.has(ticks) ? -1 : endOfCode(text, i + ticks.length, ticks);
      if (end < 0) { endless.add(ticks); plain += ticks; i += ticks.length; continue; }
      flush();
      const code = text.slice(i + ticks.length, end).replaceAll('\n', ' ');
      made.push(make('code', '', code.trim() && code.startsWith(' ') && code.endsWith(' ') ? code.slice(1, -1) : code));
      i = end + ticks.length;
      continue;
    }
    const link = depth < deepest && /^!?\[/.test(text.slice(i, i + 2)) && linkAt(text, i);
    if (link) {
      flush();
      made.push(...inline(link.label, depth + 1));
      if (link.address !== link.label) plain += ` (${link.address})`;
      i = link.end;
      continue;
    }
    const mark = depth < deepest && emphasis.find(([sign]) => text.startsWith(sign, i));
    if (mark && !endless.has(mark[0])) {
      const end = opens(text, i, mark[0]) ? endOfEmphasis(text, i + mark[0].length, mark[0]) : -1;
      if (end > 0) {
        flush();
        made.push(make(mark[1], '', ...inline(text.slice(i + mark[0].length, end), depth + 1)));
        i = end + mark[0].length;
        continue;
      }
      if (end === -2) endless.add(mark[0]);
    }
    const sign = mark ? mark[0] : char;
    plain += sign;
    i += sign.length;
  }
  flush();
  return made;
}

// [label](address) within some hundred characters.
function linkAt(text, at) {
  const near = text.slice(at, at + 600);
  const match = /^!?\[([^[\]\n]{1,300})\]\(([^\s()]{1,300})\)/.exec(near);
  return match && { label: match[1], address: match[2], end: at + match[0].length };
}

const isWord = char => char !== undefined && /[\p{L}\p{N}_]/u.test(char);
const opens = (text, at, sign) => /\S/.test(text[at + sign.length] ?? '') && !(sign[0] === '_' && isWord(text[at - 1]));

// -2 where the text has no end for this mark at all.
function endOfEmphasis(text, from, sign) {
  for (let at = text.indexOf(sign, from); at >= 0; at = text.indexOf(sign, at + 1)) {
    if (at === from || /\s/.test(text[at - 1]) || text[at - 1] === '\\') continue;
    if (sign.length === 1 && (text[at + 1] === sign || text[at - 1] === sign)) continue;
    if (sign[0] === '_' && isWord(text[at + sign.length])) continue;
    return at;
  }
  return -2;
}

function endOfCode(text, from, ticks) {
  for (let at = text.indexOf(ticks, from); at >= 0; at = text.indexOf(ticks, at + 1)) {
    if (text[at - 1] !== '`' && text[at + ticks.length] !== '`') return at;
  }
  return -1;
}
