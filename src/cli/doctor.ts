import { statfs } from 'node:fs/promises';
import { availableParallelism, cpus, totalmem } from 'node:os';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { FedtuneError } from '../errors.js';
import { tryLlamaCpp } from '../export/index.js';
import { cpuInfo } from '../native/engine.js';
import { findGgmlLibrary, loadBinding } from '../native/load.js';
import { formatBytes, plural } from '../report/format.js';
import { version } from '../version.js';
import type { CliContext } from './context.js';
import { gradientError, int8Loss } from './selfCheck.js';

type Verdict = 'ok' | 'warning' | 'failed';

interface Finding {
  readonly what: string;
  readonly verdict: Verdict;
  readonly found: string;
}

/** Largest relative error of the gradient's self-check; it is some 1e-3 of curvature and rounding. */
const GRADIENT_TOLERANCE = 0.02;
/** Nats a token that kernel sets may differ by in int8. */
const KERNEL_TOLERANCE = 0.05;
/** Below it even a small base with its optimizer is tight; a run's folder and a download want as much of the disk. */
const LITTLE = 2e9;

function node(): Finding {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const good = major > 20 || (major === 20 && minor >= 19);
  const found = `Node ${process.versions.node} on ${process.platform}-${process.arch}, fedtune ${version}`;
  return {
    what: 'system',
    verdict: good ? 'ok' : 'failed',
    found: good ? found : `${found}: 20.19 or later is needed`,
  };
}

function processor(): Finding {
  const { kernels, features } = cpuInfo();
  const model = cpus()[0]?.model.trim() ?? 'unknown processor';
  const slow = kernels[0] === 'portable';
  const sets = `kernels ${kernels.join(', ')}${slow ? ' (slow: this processor has none of the fast instructions)' : ''}`;
  const found = `${model}, ${plural(availableParallelism(), 'core')}; ${sets}; ${features.join(' ')}`;
  return { what: 'processor', verdict: slow ? 'warning' : 'ok', found };
}

const ggml = (): Finding => {
  const path = findGgmlLibrary();
  return { what: 'ggml', verdict: 'ok', found: `${loadBinding().ggmlVersion(path)} at ${path}` };
};

/** Only chats and answers need it. */
async function llamaCpp(): Promise<Finding> {
  const found = await tryLlamaCpp().then(
    () => 'loads (for answers, and to check exports)',
    (error: unknown) => {
      if ((error as FedtuneError).code !== 'LLAMA_CPP_MISSING') throw error;
      return `not there (only answers need it): ${(error as FedtuneError).message}`;
    },
  );
  return { what: 'llama.cpp', verdict: 'ok', found };
}

async function gradient(): Promise<Finding> {
  const [set] = cpuInfo().kernels;
  const error = await gradientError(set!);
  const verdict = error < GRADIENT_TOLERANCE ? 'ok' : 'failed';
  return { what: 'gradient', verdict, found: `on ${set}, off the slope of the loss by ${(100 * error).toFixed(2)} %` };
}

async function kernelSets(): Promise<Finding> {
  const { kernels } = cpuInfo();
  const reference = await int8Loss('portable');
  const off: string[] = [];
  let worst = 0;
  for (const set of kernels) {
    const difference = Math.abs((await int8Loss(set)) - reference);
    worst = Math.max(worst, difference);
    if (!(difference < KERNEL_TOLERANCE)) off.push(set);
  }
  const found = `${plural(kernels.length, 'set')} in int8, apart by ${worst.toFixed(4)} nats a token at most`;
  if (off.length === 0) return { what: 'kernels', verdict: 'ok', found };
  return { what: 'kernels', verdict: 'failed', found: `${found}: take another than ${off.join(', ')} (--kernels)` };
}

function memory(): Finding {
  // A container's limit, where there is one.
  const limit = process.constrainedMemory();
  const total = limit > 0 && limit < totalmem() ? limit : totalmem();
  const free = process.availableMemory();
  const verdict = free < LITTLE ? 'warning' : 'ok';
  return { what: 'memory', verdict, found: `${formatBytes(free)} free of ${formatBytes(total)}` };
}

async function disk(): Promise<Finding> {
  const { bavail, bsize } = await statfs('.');
  const free = bavail * bsize;
  return {
    what: 'disk',
    verdict: free < LITTLE ? 'warning' : 'ok',
    found: `${formatBytes(free)} free at ${resolve('.')}`,
  };
}

/** Only whoever calls owners on machines of their own together needs it. */
async function natsServer(): Promise<Finding> {
  const { findNatsServer } = await import('../federation/natsServer.js');
  const found = await findNatsServer().then(
    ({ path, version: v }) => `${v} at ${path}`,
    () => 'not there (only whoever starts a federation of owners on machines of their own needs it)',
  );
  return { what: 'nats-server', verdict: 'ok', found };
}

const CHECKS: readonly [string, () => Finding | Promise<Finding>][] = [
  ['system', node],
  ['processor', processor],
  ['ggml', ggml],
  ['llama.cpp', llamaCpp],
  ['gradient', gradient],
  ['kernels', kernelSets],
  ['nats-server', natsServer],
  ['memory', memory],
  ['disk', disk],
];

async function examine(): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const [what, check] of CHECKS) {
    try {
      findings.push(await check());
    } catch (error) {
      findings.push({ what, verdict: 'failed', found: error instanceof Error ? error.message : String(error) });
    }
  }
  return findings;
}

/** `fedtune doctor`: whether this machine can train, and what is in the way. Exits with 1 where something failed. */
export function addDoctorCommand(program: Command, { stdout }: CliContext): void {
  program
    .command('doctor')
    .description('check this machine: processor, kernels, libraries, a gradient, memory, disk')
    .option('--json', 'print one JSON document')
    .action(async ({ json }: { json?: boolean }) => {
      const findings = await examine();
      const lines = findings.map(({ what, verdict, found }) => `${verdict.padEnd(9)}${what.padEnd(13)}${found}\n`);
      stdout.write(json ? `${JSON.stringify(findings)}\n` : lines.join(''));
      const failed = findings.filter(({ verdict }) => verdict === 'failed').map(({ what }) => what);
      if (failed.length > 0) throw new FedtuneError('DOCTOR', `Not well: ${failed.join(', ')}.`);
    });
}
