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

const server = new OwnerServer(new EngineHost({ threads, throwIfStopped: throwIfOrphaned }));

process.on('message', async (bytes: Uint8Array) => {
  const reply = await server.answer(home, bytes);
  if (process.connected) process.send!(joinMessage(reply));
});
