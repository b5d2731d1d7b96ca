import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ended, root } from './cli.js';

/** What stands in the way of network namespaces on this machine; undefined: nothing. */
export function noNamespaces(): string | undefined {
  if (process.platform !== 'linux') return 'network namespaces are Linux';
  if (process.getuid?.() !== 0) return 'network namespaces need root';
  if (!existsSync('/dev/net/tun')) return 'there is no /dev/net/tun';
  for (const [command, flag] of [
    ['ip', '-V'],
    ['python3', '--version'],
  ] as const) {
    if (spawnSync(command, [flag]).status !== 0) return `there is no ${command}`;
  }
  return undefined;
}

/** The state of a network. `delay`: seconds each way; `loss`: share of packets; `rate`: bytes a second, 0: any; `cut`: nothing passes. */
export interface Weather {
  readonly delay?: number;
  readonly loss?: number;
  readonly rate?: number;
  readonly cut?: boolean;
}
const FINE: Required<Weather> = { delay: 0, loss: 0, rate: 0, cut: false };

const ip = (...args: string[]): void => {
  const { status, stderr } = spawnSync('ip', args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`ip ${args.join(' ')}: ${stderr}`);
};

/** Two machines, as far as the network goes, and the weather between them. */
export class Machines {
  static readonly HUB = '10.99.7.1';
  static readonly FAR = '10.99.7.2';
  readonly hub = `fedtune-hub-${process.pid}`;
  readonly far = `fedtune-far-${process.pid}`;
  readonly #relay: ChildProcess;
  #said = '';
  #wake = () => {};

  constructor() {
    for (const name of [this.hub, this.far]) ip('netns', 'add', name);
    const args = [join(root, 'tests/robust/packetRelay.py'), this.hub, Machines.HUB, this.far, Machines.FAR];
    this.#relay = spawn('python3', args, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#relay.stdout!.on('data', (text) => {
      this.#said += text;
      this.#wake();
    });
    this.#relay.on('exit', () => this.#wake());
  }

  /** Before a command that is to run on one of them. */
  on = (name: string): string[] => ['ip', 'netns', 'exec', name];

  async #until(what: string, times: number): Promise<void> {
    while (this.#said.split(what).length <= times) {
      if (this.#relay.exitCode !== null) throw new Error(`The relay ended: ${this.#said}`);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** Waits until packets pass. */
  ready(): Promise<void> {
    return this.#until('ready', 1);
  }

  #changes = 0;
  async set(weather: Weather): Promise<void> {
    this.#relay.stdin!.write(`${JSON.stringify({ ...FINE, ...weather })}\n`);
    await this.#until('weather', ++this.#changes);
  }

  /** Takes both down; what the relay carried. */
  async close(): Promise<{ packets: number; lost: number; cut: number; full: number }> {
    const gone = ended(this.#relay);
    this.#relay.stdin!.end();
    await gone;
    for (const name of [this.hub, this.far]) ip('netns', 'del', name);
    return JSON.parse(this.#said.trim().split('\n').at(-1)!);
  }
}
