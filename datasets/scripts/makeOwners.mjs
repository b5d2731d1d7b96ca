// Writes datasets/owners/<owner>/{train,valid,test}.jsonl. Usage: node datasets/scripts/makeOwners.mjs
import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { makeOwners, SPLITS, toJsonl } from './lib/makeOwners.mjs';

const root = fileURLToPath(new URL('../owners/', import.meta.url));
for (const part of makeOwners()) {
  const folder = `${root}${part.owner.id}/`;
  mkdirSync(folder, { recursive: true });
  for (const split of SPLITS) writeFileSync(`${folder}${split}.jsonl`, toJsonl(part[split]));
  process.stdout.write(`${part.owner.id}: ${SPLITS.map((split) => `${split} ${part[split].length}`).join(', ')}\n`);
}
