import { once } from 'node:events';
import type { Command } from 'commander';
import { ConfigError, InterruptedError } from '../errors.js';
import { plainTable } from '../report/plainTable.js';
import type { CliContext } from './context.js';

/** Loaded by these commands alone. */
const nats = () => import('../federation/index.js');

const DEFAULT_URL = 'nats://127.0.0.1:4222';
const LOOPBACK = '127.0.0.1';
const VALID_HOURS = 168;

function hoursOf(text: string): number {
  const hours = Number(text);
  if (text.trim() !== '' && hours > 0 && hours <= 24 * 365) return hours;
  throw new ConfigError(`Expected --hours to be a number of hours, at most a year, but received ${text}.`);
}

/** Prints an invite to stdout and what to do with it to stderr. */
async function invite(dir: string, name: string, hours: string, rotate: boolean, { stdout, stderr }: CliContext) {
  const { announce, FederationFolder, inviteOwner } = await nats();
  const folder = FederationFolder.open(dir);
  const { invite: made, accountJwt } = await inviteOwner(folder, name, { rotate, validHours: hoursOf(hours) });
  const isUp = await announce(folder, accountJwt);
  stdout.write(`${JSON.stringify(made, null, 2)}\n`);
  stderr.write(
    `An invite for ${name}, good once until ${made.expires}. Give it to ${name} by a way that nobody else reads; there:\n` +
      `  fedtune join FILE --data 'records/*.jsonl'\n${isUp ? '' : `The server of ${folder.name} is not up: fedtune federation serve ${dir}\n`}`,
  );
}

async function serve(
  dir: string,
  { listen, server }: { listen: string; server: boolean },
  { stderr, signal }: CliContext,
) {
  const { announceAll, connectAs, FederationFolder, startNatsServer, startRegistrar } = await nats();
  const folder = FederationFolder.open(dir);
  const say = (text: string) => stderr.write(`${text}\n`);
  const running = server ? await startNatsServer(folder, listen) : undefined;
  if (running)
    say(`nats-server ${running.version} listens on ${listen}:${folder.endpoint.port}; its log is ${running.log}`);
  try {
    if (!running) {
      const system = await connectAs(folder, 'system', { wait: true, signal, onStatus: say });
      await announceAll(folder, system).finally(() => system.close());
    }
    const connection = await connectAs(folder, 'coordinator', { wait: true, signal, onStatus: say });
    try {
      startRegistrar(folder, connection, say);
      say(`owners of ${folder.name} can join; Ctrl-C ends it`);
      const stopped = signal.aborted ? Promise.resolve() : once(signal, 'abort');
      await Promise.race([stopped, ...(running ? [running.ended] : [])]);
    } finally {
      await connection.close();
    }
  } finally {
    await running?.stop();
  }
  throw new InterruptedError('Stopped.');
}

async function status(dir: string, { stdout }: CliContext) {
  const { FederationFolder, federationStatus } = await nats();
  const owners = await federationStatus(FederationFolder.open(dir));
  if (owners.length === 0) {
    stdout.write(`no owners yet: fedtune federation invite ${dir} NAME > NAME.invite\n`);
    return;
  }
  const rows = owners.map(({ name, state, isConnected, doing }) => [
    name,
    state,
    isConnected === undefined ? '-' : isConnected ? 'connected' : 'away',
    doing ?? '-',
  ]);
  stdout.write(`${plainTable(['owner', 'invite', 'agent', 'now'], rows, ['invite', 'agent', 'now'])}\n`);
}

/** `fedtune federation`: owners on machines of their own. */
export function addFederationCommand(program: Command, context: CliContext): void {
  const command = program.command('federation').description('owners on machines of their own, over NATS');
  command
    .command('init')
    .description('make a federation: keys, certificates, accounts, and the configuration of its NATS server')
    .argument('<dir>', 'folder to make; its name is that of the federation')
    .option('--nats <url>', 'where owners find the server', DEFAULT_URL)
    .action(async (dir: string, { nats: url }: { nats: string }) => {
      const { FederationFolder } = await nats();
      const folder = await FederationFolder.create(dir, url);
      context.stdout.write(
        `${folder.name} is in ${folder.dir}, which holds all its keys: let nobody else read it, and keep a copy.\n` +
          `next: fedtune federation serve ${dir}\n`,
      );
    });
  command
    .command('serve')
    .description('start nats-server for a federation, and take in owners that were invited')
    .argument('<dir>', 'folder of the federation')
    .option('--listen <address>', 'address to listen on; 0.0.0.0: all of this machine', LOOPBACK)
    .option('--no-server', 'the server runs elsewhere already, with the configuration in the folder')
    .action((dir: string, flags: { listen: string; server: boolean }) => serve(dir, flags, context));
  for (const name of ['invite', 'rotate'] as const) {
    command
      .command(name)
      .description(
        name === 'invite'
          ? 'print an invite for a new owner, good once'
          : 'print an invite for an owner that is to make new keys; its old ones count no more',
      )
      .argument('<dir>', 'folder of the federation')
      .argument('<owner>', 'name of the owner')
      .option('--hours <hours>', 'how long the invite is good', String(VALID_HOURS))
      .action((dir: string, owner: string, { hours }: { hours: string }) =>
        invite(dir, owner, hours, name === 'rotate', context),
      );
  }
  command
    .command('status')
    .description('show who was invited, who is there, and what each does')
    .argument('<dir>', 'folder of the federation')
    .action((dir: string) => status(dir, context));
  command
    .command('remove')
    .description('let an owner in no more')
    .argument('<dir>', 'folder of the federation')
    .argument('<owner>', 'name of the owner')
    .action(async (dir: string, owner: string) => {
      const { announce, FederationFolder, removeOwner } = await nats();
      const folder = FederationFolder.open(dir);
      const isUp = await announce(folder, await removeOwner(folder, owner));
      context.stdout.write(
        `${owner} is let in no more${isUp ? '' : '; the server, which is not up, learns it when it starts'}\n`,
      );
    });
}
