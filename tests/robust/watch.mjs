/**
 * Loaded before the command line (`node --import`) in every thread of a run under test. It labels what the run does:
 *
 *   train, score, merge         before a step is trained, a batch scored, adapters merged
 *   append PATH                 half of a line of the record is written
 *   write PATH, rename PATH     half of a temporary file is written; it is whole, but does not have its name yet
 *   renamed PATH, remove PATH   it has its name, but the folder is not synced yet; before something is removed
 *
 * PATH counts from FEDTUNE_WATCH_DIR. Labels are appended to the file FEDTUNE_WATCH_TRACE, each behind its thread (`main` or
 * `worker`). Where FEDTUNE_WATCH_KILL is `LABEL:n`, the process is killed (SIGKILL) at the n-th label of a thread that begins
 * so, of FEDTUNE_WATCH_THREAD where that is set; with FEDTUNE_WATCH_EXIT only the thread ends,
 * with FEDTUNE_WATCH_STOP the process receives SIGINT there and goes on, with FEDTUNE_WATCH_HOLD a write takes minutes.
 */
import fs from 'node:fs';
import promises from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { relative, resolve, sep } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isMainThread } from 'node:worker_threads';
import { RunningMean } from '../../dist/merge/runningMean.js';

const { FEDTUNE_WATCH_DIR: dir = '.', FEDTUNE_WATCH_TRACE: trace, FEDTUNE_WATCH_KILL: kill } = process.env;
const { FEDTUNE_WATCH_EXIT: exit, FEDTUNE_WATCH_STOP: stop, FEDTUNE_WATCH_HOLD: hold } = process.env;
const { FEDTUNE_WATCH_THREAD: only } = process.env;
const { appendFileSync, openSync, closeSync, renameSync, rmSync, writeSync } = fs;
const { open, rename, rm, writeFile } = promises;

/** Returns a function that tells whether a label is the one that was asked for. */
function trigger(spec) {
  if (spec === undefined) return () => false;
  const at = spec.lastIndexOf(':');
  let left = Number(spec.slice(at + 1));
  return (label) => label.startsWith(spec.slice(0, at)) && --left === 0;
}

const [isKill, isExit, isStop, isHold] = [kill, exit, stop, hold].map(trigger);
const thread = isMainThread ? 'main' : 'worker';

/** Notes a label; `before` leaves half of the work behind where the process ends here. */
function reach(label, before = () => {}) {
  if (trace !== undefined) appendFileSync(trace, `${thread} ${label}\n`);
  if (isStop(label)) process.kill(process.pid, 'SIGINT');
  if ((only === undefined || only === thread) && isKill(label)) {
    before();
    process.kill(process.pid, 'SIGKILL');
    // The signal arrives a moment later; nothing more may happen until then.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  }
  if (isExit(label) && !isMainThread) process.exit(7);
}

/** Path of a file in the run folder as labels have it; undefined for any other file, and for the lock. */
function watched(path) {
  const inside = relative(resolve(dir), resolve(String(path))).replaceAll(sep, '/');
  if (inside.startsWith('..') || inside.startsWith('.lock') || inside.startsWith('.owner')) return undefined;
  return (inside.includes('/') ? inside : `./${inside}`).replace(/(\.\d+)?\.tmp$/, '');
}

/** Descriptors of files that are being written at once (the states), by the name of the file. */
const writing = new Map();

fs.openSync = (path, flags, ...rest) => {
  const fd = openSync(path, flags, ...rest);
  const name = watched(path);
  if (name !== undefined && flags === 'w') writing.set(fd, name);
  return fd;
};

fs.closeSync = (fd) => {
  writing.delete(fd);
  closeSync(fd);
};

fs.writeSync = (fd, bytes, ...rest) => {
  const name = writing.get(fd);
  if (name !== undefined) reach(`write ${name}`, () => writeSync(fd, bytes, 0, Math.floor(bytes.length / 2)));
  return writeSync(fd, bytes, ...rest);
};

fs.renameSync = (from, to) => {
  const name = watched(to);
  if (name !== undefined) reach(`rename ${name}`);
  renameSync(from, to);
  if (name !== undefined) reach(`renamed ${name}`);
};

fs.rmSync = (path, ...rest) => {
  const name = watched(path);
  if (name !== undefined && fs.existsSync(path)) reach(`remove ${name}`);
  return rmSync(path, ...rest);
};

fs.appendFileSync = (target, data, ...rest) => {
  const bytes = Buffer.from(data);
  if (typeof target === 'number') {
    reach('append events.jsonl', () => writeSync(target, bytes.subarray(0, bytes.length / 2)));
  }
  return appendFileSync(target, data, ...rest);
};

/** The same for handles. */
const handles = new WeakMap();

promises.open = async (path, flags, ...rest) => {
  const file = await open(path, flags, ...rest);
  const name = watched(path);
  if (name !== undefined && flags === 'w') handles.set(file, name);
  return file;
};

/** What may come in pieces, as one. */
async function bytesOf(data) {
  if (typeof data === 'string' || ArrayBuffer.isView(data)) return Buffer.from(data);
  const pieces = [];
  for await (const piece of data) pieces.push(Buffer.from(piece));
  return Buffer.concat(pieces);
}

promises.writeFile = async (file, data, ...options) => {
  const name = handles.get(file);
  if (name === undefined) return writeFile(file, data, ...options);
  const bytes = await bytesOf(data);
  reach(`write ${name}`, () => writeSync(file.fd, bytes.subarray(0, bytes.length / 2)));
  if (isHold(`write ${name}`)) await sleep(300_000);
  return writeFile(file, bytes, ...options);
};

promises.rename = async (from, to) => {
  const name = watched(to);
  if (name !== undefined) reach(`rename ${name}`);
  await rename(from, to);
  if (name !== undefined) reach(`renamed ${name}`);
};

promises.rm = async (path, ...rest) => {
  const name = watched(path);
  if (name !== undefined && fs.existsSync(path)) reach(`remove ${name}`);
  return rm(path, ...rest);
};
syncBuiltinESMExports();

/** Wraps the engine as soon as it is loaded. */
const { dlopen } = process;
process.dlopen = (module, ...rest) => {
  dlopen.call(process, module, ...rest);
  const engine = module.exports;
  if (engine?.Trainer === undefined || engine.mergeMean === undefined) return;
  const { Trainer, mergeMean } = engine;
  engine.Trainer = class extends Trainer {
    step(...args) {
      reach('train');
      return super.step(...args);
    }
    evaluate(...args) {
      reach('score');
      return super.evaluate(...args);
    }
  };
  engine.mergeMean = (...args) => {
    reach('merge');
    return mergeMean(...args);
  };
};

/** Where updates are merged as they come. */
const { mean } = RunningMean.prototype;
RunningMean.prototype.mean = function (...args) {
  reach('merge');
  return mean.apply(this, args);
};
