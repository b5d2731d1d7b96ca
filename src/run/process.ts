import { execFileSync } from 'node:child_process';
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';

/** A process, told from any other one that has, had or will have its id. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Host, its boot and its space of process ids: where the two have another machine, ids say nothing. */
  readonly machine: string;
  readonly host: string;
  /** When it began, as the system says it; empty where that is not known. */
  readonly started: string;
}

function attempt(read: () => string): string {
  try {
    return read().trim();
  } catch {
    return '';
  }
}

interface Seen {
  readonly started: string;
  /** `dying`: it was killed, but is not gone yet. */
  readonly state: 'alive' | 'dying' | 'gone';
}

const SIGKILL_BIT = 1n << 8n;
/** Linux: PF_EXITING. */
const EXITING_FLAG = 0x4;

/** What Linux says of a process; undefined where there is none, or none that can be seen. */
export function seenInProc(pid: number): Seen | undefined {
  const stat = attempt(() => readFileSync(`/proc/${pid}/stat`, 'latin1'));
  if (stat === '') return undefined;
  // Fields 3 (state), 9 (flags), 20 (threads) and 22 (start); the name, field 2, may hold anything.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [state, flags, threads, started] = [fields[0]!, Number(fields[6]), Number(fields[17]), fields[19]!];
  // A zombie ended and waits for its parent to ask how; its other threads may still be at their last call.
  if ('ZXx'.includes(state)) return { started, state: threads > 1 ? 'dying' : 'gone' };
  const pending = attempt(() => readFileSync(`/proc/${pid}/status`, 'latin1')).matchAll(
    /^(?:SigPnd|ShdPnd):\s*(\w+)/gm,
  );
  const isKilled = [...pending].some(([, mask]) => (BigInt(`0x${mask}`) & SIGKILL_BIT) !== 0n);
  return { started, state: isKilled || (flags & EXITING_FLAG) !== 0 ? 'dying' : 'alive' };
}

/** What `ps` says of a process, on macOS and the like. */
export function seenByPs(pid: number): Seen | undefined {
  const line = attempt(() =>
    execFileSync('ps', ['-o', 'stat=,lstart=', '-p', String(pid)], {
      encoding: 'utf8',
      env: { ...process.env, LC_ALL: 'C' },
      stdio: ['ignore', 'pipe', 'ignore'],
    }),
  );
  const [, state, started] = /^(\S+)\s+(.+)$/.exec(line) ?? [];
  if (state === undefined || started === undefined) return undefined;
  return { started, state: state.startsWith('Z') ? 'gone' : 'alive' };
}

const see = process.platform === 'linux' ? seenInProc : process.platform === 'win32' ? () => undefined : seenByPs;

const machine = (): string =>
  [
    hostname(),
    attempt(() => readFileSync('/proc/sys/kernel/random/boot_id', 'latin1')),
    attempt(() => readlinkSync('/proc/self/ns/pid')),
  ].join(' ');

/** The identity of a process of this machine, by default this one. */
export function identify(pid = process.pid): ProcessIdentity {
  return { pid, machine: machine(), host: hostname(), started: see(pid)?.started ?? '' };
}

/**
 * What has become of a process: zombies are gone, and so is one whose id another process has now. `elsewhere`: on another
 * machine, about which nothing can be said from here.
 */
export function stateOf(identity: ProcessIdentity): Seen['state'] | 'elsewhere' {
  if (identity.machine !== machine()) return 'elsewhere';
  const seen = see(identity.pid);
  if (seen) return identity.started !== '' && seen.started !== identity.started ? 'gone' : seen.state;
  try {
    process.kill(identity.pid, 0);
    return 'alive';
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH' ? 'gone' : 'alive';
  }
}
