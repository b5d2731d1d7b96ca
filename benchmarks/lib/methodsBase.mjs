import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * What the base scores is the same in every run on the same examples. An owner remembers it in a file of its home; this process
 * takes it along from run to run. Owners hold the file against their data, the base and the kernels before they believe it.
 */
const remembered = new Map();

const filesOf = (dir) =>
  readdirSync(join(dir, 'owners')).map((owner) => ({ owner, file: join(dir, 'owners', owner, 'scored') }));

/** Puts what owners of an earlier run knew into the homes of a run that begins. `of`: names runs on the same examples. */
export function recallScores(dir, of) {
  for (const { owner, file } of filesOf(dir)) {
    const text = remembered.get(`${of} ${owner}`);
    if (text !== undefined) writeFileSync(file, text);
  }
}

/** Remembers what the owners of a run know at its end. */
export function rememberScores(dir, of) {
  for (const { owner, file } of filesOf(dir)) {
    if (existsSync(file)) remembered.set(`${of} ${owner}`, readFileSync(file, 'utf8'));
  }
}
