#!/usr/bin/env node
import { runCli } from './program.js';

const controller = new AbortController();
// The second Ctrl-C ends the process at once; files are written atomically, so nothing is torn.
process.once('SIGINT', () => {
  process.stderr.write('\nStopping: finishing the write in flight. Ctrl-C again to stop at once.\n');
  controller.abort();
  process.once('SIGINT', () => process.exit(130));
});
process.once('SIGTERM', () => controller.abort());

const { stdout, stderr } = process;
process.exitCode = await runCli(process.argv.slice(2), { stdout, stderr, signal: controller.signal });
