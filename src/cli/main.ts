#!/usr/bin/env node
import { runCli } from './program.js';

/** Under `npm start`, one Ctrl-C comes twice: from the terminal, and passed on by npm. */
const SAME_KEY_MS = 500;

const controller = new AbortController();
let asked: number | undefined;

/** The first Ctrl-C ends the run at its last saved round, the second ends the process at once: files are written atomically. */
function stop(signal: NodeJS.Signals): void {
  if (asked === undefined) {
    asked = performance.now();
    process.stderr.write('\nStopping: finishing the write in flight. Ctrl-C again to stop at once.\n');
    controller.abort();
  } else if (performance.now() - asked > SAME_KEY_MS) {
    // The default of the signal does not wait for worker threads, as process.exit would.
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  }
}
process.on('SIGINT', stop);
process.on('SIGTERM', stop);

const { stdout, stderr } = process;
// A reader that goes away (`| head`, a pipe that breaks) or a full log ends no run: its results are in the run folder. Only
// that results could not be printed is told of.
stderr.on('error', () => {});
stdout
  .on('error', () => {})
  .once('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') return;
    stderr.write(`Error: what was printed is not complete: ${error.message}\n`);
    process.once('exit', () => {
      process.exitCode ||= 1;
    });
  });

process.exitCode = await runCli(process.argv.slice(2), {
  stdin: process.stdin,
  stdout,
  stderr,
  signal: controller.signal,
});
