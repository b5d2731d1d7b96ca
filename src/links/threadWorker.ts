import { move, workerData } from 'piscina';
import { toWireError } from '../contracts/wireError.js';
import { collectGarbage } from '../garbage.js';
import { encodeMessage, joinMessage } from './codec.js';
import { EngineHost } from './engineHost.js';
import { OwnerServer } from './serve.js';
import { throwIfStopped } from './stopFlag.js';
import { beginTask, type PoolData, type PoolTask } from './threadPool.js';
import type { ThreadSetup, ThreadTask } from './threads.js';

const setup: ThreadSetup & PoolData = workerData;
const server = new OwnerServer(
  new EngineHost({
    threads: setup.threads,
    model: setup.model,
    throwIfStopped: () => throwIfStopped(setup.stopFlag),
  }),
);

/** Answers one request on this thread's engine; the reply's memory moves to the server. */
export default async function handle(task: ThreadTask & PoolTask): Promise<Uint8Array> {
  try {
    beginTask(task, setup);
  } catch (error) {
    return joinMessage(encodeMessage({ kind: 'error', error: toWireError(error) }));
  }
  const reply = await server.answer(task.home, joinMessage(task));
  collectGarbage('young');
  return move(reply) as unknown as Uint8Array;
}
