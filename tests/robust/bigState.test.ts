import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import { ended, root, workFolder } from './cli.js';

const MIB = 2 ** 20;
const MOST_MEMORY = 200e6;

/**
 * Saves or loads a state of tensors that are zero but for a few entries, or full of numbers. Prints by how many bytes the memory
 * of the process grew. Memory of zeros that nobody wrote to takes no room: six tensors of 1 GiB are live, but fit on any machine.
 */
const SCRIPT = `
const [, store, dir, what, tensors, bytes, filled] = process.argv;
const { StateStore } = await import(store);
const length = Number(bytes) / 4;
const marks = [0, Math.floor(length / 3), length - 1];
const make = (_, i) => {
  const values = new Float32Array(length);
  if (filled === 'yes') for (let at = 0; at < length; at++) values[at] = at * 1.25 + i;
  for (const at of marks) values[at] = i + at / 7;
  return values;
};
const clients = what === 'save' ? Array.from({ length: Number(tensors) }, make) : [];
const before = process.memoryUsage.rss();
if (what === 'save') await StateStore.open(dir, { keep: 2 }).saveInTurns(1, { clients });
else clients.push(...(await StateStore.open(dir).loadInTurns(1)).clients);
console.log(process.resourceUsage().maxRSS * 1024 - before);
if (clients.length !== Number(tensors)) throw new Error('tensors are missing');
for (const [i, values] of clients.entries()) {
  const differs = marks.some((at) => values[at] !== Math.fround(i + at / 7));
  if (values.length !== length || differs) throw new Error('tensor ' + i + ' is another');
}
`;

const STATES =
  process.env.npm_lifecycle_event === 'test:state'
    ? [{ what: '6 GiB in six tensors', tensors: 6, bytes: 1024 * MIB, filled: false }]
    : [
        { what: 'a tensor of 2.5 GiB', tensors: 1, bytes: 2560 * MIB, filled: false },
        { what: '256 MiB without a zero', tensors: 4, bytes: 64 * MIB, filled: true },
      ];

describe('a state of', () => {
  it.each(STATES)('$what is saved and loaded with less than 200 MB besides', async ({ tensors, bytes, filled }) => {
    const dir = join(await workFolder(), 'state');
    const store = pathToFileURL(join(root, 'dist/store/index.js')).href;
    const growthOf = async (what: string): Promise<number> => {
      const args = [store, dir, what, String(tensors), String(bytes), filled ? 'yes' : 'no'];
      const child = spawn(process.execPath, ['--input-type=module', '-e', SCRIPT, ...args], { stdio: 'pipe' });
      const { code, stdout, stderr } = await ended(child);
      expect(code, stderr).toBe(0);
      return Number(stdout);
    };
    const [saving, loading] = [await growthOf('save'), await growthOf('load')];
    if (process.env.npm_lifecycle_event === 'test:state') {
      console.log(`over the tensors: ${saving / 1e6} MB to save, ${loading / 1e6} MB to load`);
    }
    expect(saving).toBeLessThan(MOST_MEMORY);
    expect(loading).toBeLessThan(MOST_MEMORY + (filled ? tensors * bytes : 0));
  });
});
