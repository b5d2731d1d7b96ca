import { move, transferableSymbol, valueSymbol, workerData } from 'piscina';
import { toWireError } from '../contracts/wireError.js';
import { collectGarbage } from '../garbage.js';
import { type EncodedMessage, encodeMessage } from './codec.js';
import { EngineHost } from './engineHost.js';
import { OwnerServer } from './serve.js';
import { throwIfStopped } from './stopFlag.js';
import { beginTask, type PoolData, type PoolTask } from './threadPool.js';
import type { ThreadSetup, ThreadTask } from './threads.js';

const setup: ThreadSetup & PoolData = workerData;
/** Of the task at hand. */
let counters: Int32Array | undefined;
const server = new OwnerServer(
  new EngineHost({
    threads: setup.threads,
    model: setup.model,
    throwIfStopped: () => throwIfStopped(setup.stopFlag),
    onStep: () => counters && Atomics.add(counters, 1, 1),
  }),
);

/** A reply whose memory moves to the server. What is a part of larger memory is copied out of it; what threads share stays so. */
function moved({ head, tensors, bytes }: EncodedMessage): EncodedMessage {
  const own = tensors.map((tensor) =>
    tensor.byteLength > 0 && tensor.byteLength === tensor.buffer.byteLength ? tensor : tensor.slice(),
  );
  const buffers = new Set(own.map(({ buffer }) => buffer).filter((buffer) => buffer instanceof ArrayBuffer));
  const value: EncodedMessage = { head, tensors: own, bytes };
  return move({ [transferableSymbol]: [...buffers], [valueSymbol]: value }) as unknown as EncodedMessage;
}

/** Answers one request on this thread's engine. */
export default async function handle(task: ThreadTask & PoolTask): Promise<EncodedMessage> {
  try {
    beginTask(task, setup);
    counters = task.begun;
  } catch (error) {
    return encodeMessage({ kind: 'error', error: toWireError(error) });
  }
  const reply = await server.answer(task.home, task);
  collectGarbage('young');
  return moved(reply);
}
