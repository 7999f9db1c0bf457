// Small plots of what a number was in the last minutes.
import { make } from './markdown.js';

const most = 120; // readings
const [width, height, edge] = [600, 56, 4];
const plots = new Map();

const draw = name => document.createElementNS('http://www.w3.org/2000/svg', name);

// Adds a reading to the plot of a name, which is made with the first.
export function plot(name, value, unit) {
  if (!plots.has(name)) plots.set(name, begin(name));
  const one = plots.get(name);
  one.values.push(value);
  one.values.splice(0, one.values.length - most);
  const top = Math.max(...one.values, 1e-9);
  const points = one.values.map((v, i) => `${(width - (one.values.length - 1 - i) * width / (most - 1)).toFixed(1)} ${(height - edge - v / top * (height - 2 * edge)).toFixed(1)}`);
  one.path.setAttribute('d', points.length > 1 ? `M${points.join('L')}` : '');
  const now = `${value.toFixed(Number.isInteger(value) ? 0 : 1)}${unit}`;
  one.now.textContent = now;
  one.svg.setAttribute('aria-label', `${name}: ${now}, at most ${top.toFixed(1)}${unit}`);
}

function begin(name) {
  const svg = draw('svg'), path = draw('path'), now = make('b');
  svg.setAttribute('viewBox', `0 0 ${width} ${height}`);
  svg.setAttribute('preserveAspectRatio', 'none');
  svg.setAttribute('role', 'img');
  svg.append(path);
  document.getElementById('plots').append(make('figure', '', make('figcaption', '', name, now), svg));
  return { values: [], svg, path, now };
}
