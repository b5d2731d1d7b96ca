import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';

/** What stands in the three terminals of a page's quick start: its blocks of shell, as they are. */
export function terminalsOf(markdown) {
  const [, section] = /^## Quick start.*\n([\s\S]*?)(?=^## )/m.exec(markdown) ?? [];
  return [...(section ?? '').matchAll(/^```bash\n([\s\S]*?)^```$/gm)].map(([, commands]) => commands);
}

/** A shell that was given these commands, each shown before it is carried out; what it printed is in `output`. */
function terminal(commands, { cwd, env, onText }) {
  const child = spawn('bash', ['-evc', commands], { cwd, env, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  const shell = { child, output: '', ended: once(child, 'exit') };
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => {
      shell.output += text;
      onText?.(text);
    });
  }
  return shell;
}

/** Waits until a terminal has printed a text so many times. */
async function heard(shell, text, count, seconds) {
  for (const end = performance.now() + 1000 * seconds; shell.output.split(text).length <= count; await sleep(50)) {
    if (performance.now() > end) throw new Error(`Expected "${text}" within ${seconds} s but read:\n${shell.output}`);
  }
}

/** Ctrl-C, at all that a terminal has started. */
async function interrupt({ child, ended }) {
  const signal = (name) => {
    try {
      process.kill(-child.pid, name);
      return true;
    } catch {
      // All have ended.
      return false;
    }
  };
  signal('SIGINT');
  await ended;
  for (let i = 0; i < 100 && signal(0); i++) await sleep(100);
  signal('SIGKILL');
}

/**
 * Walks a quick start of three terminals as a new user would: the second once the server of the first takes owners in, the third once all
 * agents of the second wait. Returns what the third printed, and seconds until the server was there, until all owners waited, and
 * of the third. Throws where one of its commands fails.
 */
export async function walkQuickStart([serve, owners, run], { numOwners, patience = 300, ...options }) {
  const times = {};
  const open = [];
  const start = (commands) => {
    const shell = terminal(commands, options);
    open.push(shell);
    return shell;
  };
  const timed = async (name, work) => {
    const begun = performance.now();
    const result = await work();
    times[name] = (performance.now() - begun) / 1000;
    return result;
  };
  const waits = async (commands, text, count) => {
    const shell = start(commands);
    await heard(shell, text, count, patience);
    return shell;
  };
  try {
    const first = await timed('serve_seconds', () => waits(serve, 'owners of clinic-net can join', 1));
    const second = await timed('owners_seconds', () => waits(owners, 'waiting for a run', numOwners));
    const third = start(run);
    const [code] = await timed('run_seconds', () => third.ended);
    if (code !== 0) throw new Error(`The third terminal ended with ${code}:\n${third.output}`);
    return { times, first: first.output, second: second.output, third: third.output };
  } finally {
    for (const shell of open.reverse()) await interrupt(shell);
  }
}
