import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { ROOT } from './paths.mjs';

/** The commands of README's section on a real model, one a line of the shell. */
export function dollyLines() {
  const readme = readFileSync(join(ROOT, 'README.md'), 'utf8');
  const [, block] = /^## A real model\n[\s\S]*?^```sh\n([\s\S]*?)^```$/m.exec(readme) ?? [];
  if (block === undefined) throw new Error('Expected a block of shell under "## A real model" in README.md.');
  return block
    .replaceAll(/\\\n\s*/g, '')
    .trimEnd()
    .split('\n');
}

/** A command of README carried out by what was built here: its seconds and what it printed. Throws where it fails. */
export async function runLine(line, { cwd, env = process.env, onText }) {
  const here = `"${process.execPath}" "${join(ROOT, 'dist/cli/main.js')}"`;
  const begun = performance.now();
  const child = spawn('bash', ['-c', line.replace(/^npx fedtune/, here)], {
    cwd,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => {
      output += text;
      onText?.(text);
    });
  }
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`${line}\nended with ${code}:\n${output}`);
  return { seconds: (performance.now() - begun) / 1000, output };
}
