// node check.mjs ANSWERS.jsonl: each line {"schema": ..., "answers": [{"text": ..., "reason": "stop|length|cut", "bounded": ...}]}; says which are not valid.
import { readFileSync } from 'node:fs';
import Ajv2020 from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';

const counts = { schemas: 0, answers: 0, invalid: 0, cut: 0, bounded: 0, boundedForced: 0, recursive: 0, recursiveForced: 0, free: 0, freeForced: 0 };
for (const line of readFileSync(process.argv[2], 'utf8').split('\n').filter(Boolean)) {
  const { schema, bounded, answers } = JSON.parse(line);
  const ajv = new Ajv2020({ strict: false, logger: false, allErrors: false });
  addFormats(ajv);
  const validate = ajv.compile(schema);
  counts.schemas++;
  for (const { text, reason } of answers) {
    counts.answers++;
    const kind = !bounded ? 'free' : isRecursive(schema) ? 'recursive' : 'bounded';
    counts[kind]++;
    if (reason === 'length') counts[kind + 'Forced']++;
    let problem = null;
    try {
      const value = JSON.parse(text);
      if (!validate(value)) problem = ajv.errorsText(validate.errors);
      else if (hasTwice(text)) problem = 'a key is there twice';
    } catch (error) {
      problem = error.message;
      if (reason === 'cut') counts.cut++;
    }
    if (problem === null) continue;
    counts.invalid++;
    if (counts.invalid <= 10) console.log(`INVALID (${problem})\n  schema ${JSON.stringify(schema)}\n  answer ${text}`);
  }
}
const share = (part, all) => `${part} of ${all} (${(100 * part / Math.max(1, all)).toFixed(1)} %)`;
console.log(`${counts.schemas} schemas, ${counts.answers} answers: ${counts.invalid} invalid, ${counts.cut} cut`);
console.log(`closed by force: ${share(counts.boundedForced, counts.bounded)} where strings are bounded, ${share(counts.recursiveForced, counts.recursive)} where they are but the schema contains itself, ${share(counts.freeForced, counts.free)} of the others`);
process.exit(counts.invalid > 0 || counts.answers === 0 || counts.boundedForced * 20 >= Math.max(20, counts.bounded) ? 1 : 0);

// Whether a schema contains itself: its instances have no bound, whatever its strings have.
function isRecursive(root) {
  const contains = (schema, above) => {
    if (schema === null || typeof schema !== 'object') return false;
    const target = typeof schema.$ref === 'string' && schema.$ref.startsWith('#')
      ? schema.$ref.slice(1).split('/').slice(1).reduce((at, name) => at?.[name.replaceAll('~1', '/').replaceAll('~0', '~')], root) : undefined;
    if (target !== undefined && (above.includes(target) || contains(target, [...above, target]))) return true;
    return Object.entries(schema).some(([name, part]) => !['$defs', 'const', 'enum'].includes(name) && contains(part, [...above, schema]));
  };
  return contains(root, []);
}

// Whether an object of a valid text has a key twice (JSON.parse keeps the last one): as many keys are read as members are written.
function hasTwice(text) {
  let keys = 0, inString = false;
  for (let i = 0; i < text.length; i++) {
    if (inString) {
      if (text[i] === '\\') i++;
      else if (text[i] === '"') inString = false;
    } else if (text[i] === '"') inString = true;
    else if (text[i] === ':') keys++;
  }
  const members = value => value === null || typeof value !== 'object' ? 0
    : Array.isArray(value) ? value.reduce((sum, item) => sum + members(item), 0)
    : Object.values(value).reduce((sum, item) => sum + members(item), Object.keys(value).length);
  return members(JSON.parse(text)) !== keys;
}
