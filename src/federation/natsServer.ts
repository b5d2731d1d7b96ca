import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { FedtuneError } from '../errors.js';
import type { FederationFolder } from './folder.js';

/** How long a server may take to listen, once it was started. */
const START_MS = 60_000;

/** Whether somebody listens there. */
export function isListening(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: 2000 });
    const end = (found: boolean) => {
      socket.destroy();
      resolve(found);
    };
    socket.once('connect', () => end(true));
    socket.once('timeout', () => end(false));
    socket.once('error', () => end(false));
  });
}

/** Path and version of nats-server: `NATS_SERVER` names it, else it is looked for. Throws FedtuneError NO_NATS_SERVER. */
export async function findNatsServer(env: NodeJS.ProcessEnv = process.env): Promise<{ path: string; version: string }> {
  // Debian puts it where no user's PATH goes.
  const names = env.NATS_SERVER
    ? [env.NATS_SERVER]
    : ['nats-server', '/usr/sbin/nats-server', '/usr/local/bin/nats-server'];
  for (const path of names) {
    try {
      const { stdout } = await promisify(execFile)(path, ['--version']);
      return { path, version: /v(\d+\.\d+\.\d+)/.exec(stdout)?.[1] ?? 'of unknown version' };
    } catch {
      // The next one.
    }
  }
  throw new FedtuneError(
    'NO_NATS_SERVER',
    `Expected nats-server${env.NATS_SERVER ? ` at NATS_SERVER=${env.NATS_SERVER}` : ' in PATH'} but it cannot be started. ` +
      'Install it (apt-get install nats-server, brew install nats-server, or a release of nats.io) or let NATS_SERVER name the binary.',
  );
}

export interface RunningServer {
  readonly path: string;
  readonly version: string;
  readonly child: ChildProcess;
  /** Where its log is. */
  readonly log: string;
  /** Rejects when the server ends by itself. */
  readonly ended: Promise<never>;
  stop(): Promise<void>;
}

/** Starts nats-server with the configuration of the federation and waits until it listens. Throws FedtuneError. */
export async function startNatsServer(folder: FederationFolder, listen: string): Promise<RunningServer> {
  const { port } = folder.endpoint;
  const here = listen === '0.0.0.0' || listen === '::' ? '127.0.0.1' : listen;
  if (await isListening(here, port)) {
    throw new FedtuneError(
      'PORT_IN_USE',
      `Expected port ${port} of ${here} to be free but somebody listens there already.`,
    );
  }
  const { path, version } = await findNatsServer();
  const log = join(folder.dir, 'nats-server.log');
  const fd = openSync(log, 'a', 0o600);
  const args = ['--config', join(folder.dir, 'nats-server.conf'), '--addr', listen];
  // Half of what Go lets lie about by default: a fifth of the server's memory for a tenth of its time.
  const env = { GOGC: '50', ...process.env };
  const child = spawn(path, args, { stdio: ['ignore', fd, fd], env });
  closeSync(fd);
  const exited = once(child, 'exit');
  const ended = exited.then(([code, signal]) => {
    const said = readFileSync(log, 'utf8').trim().split('\n').slice(-3).join('\n');
    throw new FedtuneError('NATS_SERVER', `nats-server ended with ${signal ?? `code ${code}`}. ${log} says:\n${said}`);
  });
  ended.catch(() => {});
  const stop = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGTERM');
    await exited;
  };
  const until = Date.now() + START_MS;
  while (!(await Promise.race([isListening(here, port), ended]))) {
    if (Date.now() > until) {
      await stop();
      throw new FedtuneError(
        'NATS_SERVER',
        `nats-server did not listen on ${here}:${port} within a minute. See ${log}.`,
      );
    }
    await sleep(50);
  }
  return { path, version, child, log, ended, stop };
}
