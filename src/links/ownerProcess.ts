import { InterruptedError } from '../errors.js';
import { joinMessage } from './codec.js';
import { EngineHost } from './engineHost.js';
import { CHILD_SETUP, type ChildSetup } from './processes.js';
import { OwnerServer } from './serve.js';

// The process of one owner: answers the server's messages until the server ends it, or is gone.
const { home, threads, parent }: ChildSetup = JSON.parse(process.env[CHILD_SETUP]!);

// Ctrl-C in a terminal goes to every process of the run; the server decides what comes of it.
process.on('SIGINT', () => {});
process.on('disconnect', () => process.exit(0));

/** Inside a long call nobody hears that the server is gone, so that it is asked. */
function throwIfOrphaned(): void {
  if (process.connected && process.ppid === parent) return;
  throw new InterruptedError('The server is gone.');
}

/** Milliseconds between two words of how far the work is. */
const TELL_MS = 100;
let steps = 0;
let told = 0;

/** Says the steps that are done: a number, where a reply is bytes. */
function tellStep(): void {
  steps++;
  const now = performance.now();
  if (now - told < TELL_MS || !process.connected) return;
  told = now;
  process.send!(steps);
}

const server = new OwnerServer(new EngineHost({ threads, throwIfStopped: throwIfOrphaned, onStep: tellStep }));

process.on('message', async (bytes: Uint8Array) => {
  steps = 0;
  const reply = await server.answer(home, bytes);
  if (process.connected) process.send!(joinMessage(reply));
});
