// Writes datasets/owners/<owner>/{train,valid,test}.jsonl.
// Usage: node datasets/scripts/makeOwners.mjs [--check]   (--check: exit 1 where a file is not what would be written)
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { makeOwners, SPLITS, toJsonl } from './lib/makeOwners.mjs';

const root = fileURLToPath(new URL('../owners/', import.meta.url));
const check = process.argv.includes('--check');

for (const part of makeOwners()) {
  const folder = `${root}${part.owner.id}/`;
  mkdirSync(folder, { recursive: true });
  for (const split of SPLITS) {
    const path = `${folder}${split}.jsonl`;
    const text = toJsonl(part[split]);
    if (!check) writeFileSync(path, text);
    else if (!existsSync(path) || readFileSync(path, 'utf8') !== text) {
      process.stderr.write(`${path} is not what makeOwners.mjs writes.\n`);
      process.exitCode = 1;
    }
  }
  process.stdout.write(`${part.owner.id}: ${SPLITS.map((split) => `${split} ${part[split].length}`).join(', ')}\n`);
}
