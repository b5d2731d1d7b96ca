import { stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { createInterface } from 'node:readline/promises';
import type { Command } from 'commander';
import { ConfigError, FedtuneError } from '../errors.js';
import type { Invite, Proposal } from '../federation/index.js';
import { makeFolder } from '../files.js';
import { lockRun } from '../run/lock.js';
import { printable } from '../text.js';
import type { CliContext } from './context.js';

/** Loaded by this command alone. */
const nats = () => import('../federation/index.js');

interface JoinFlags {
  readonly data: readonly string[];
  readonly home?: string;
  readonly model?: string;
  readonly template?: string;
  readonly accept?: boolean;
}

/** What an owner is asked, in its words. */
export function describeProposal({ config, baseSha256 }: Proposal): string {
  const steps = config.local_steps === null ? `${config.local_epochs} epochs` : `${config.local_steps} steps`;
  return printable(
    `A run is proposed: method ${config.method}, ${config.num_rounds} rounds of ${steps}, base ${config.model} ` +
      `(sha256 ${baseSha256.slice(0, 12)}...).\n` +
      'What leaves this machine: counts of examples and tokens, digests, updates of adapters, steps done, and sums of scores. ' +
      'Rows, texts, tokens and single scores stay.\n',
  );
}

/** Asks at the terminal, where there is one. */
async function askOwner(proposal: Proposal, { stderr, signal }: CliContext): Promise<boolean> {
  stderr.write(describeProposal(proposal));
  if (!process.stdin.isTTY) {
    stderr.write(
      'Nobody is there to ask, so this owner takes no part; --accept takes part in what owner.yaml lets it.\n',
    );
    return false;
  }
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return /^y(es)?$/i.test((await terminal.question('Take part? [y/N] ', { signal })).trim());
  } finally {
    terminal.close();
  }
}

/** The invite in a file; undefined for the folder of an owner that has joined. */
async function inviteOf(path: string): Promise<Invite | undefined> {
  const found = await stat(path).catch(() => undefined);
  return found?.isDirectory() ? undefined : (await nats()).readInvite(path);
}

/** `fedtune join`: an owner's agent. */
export function addJoinCommand(program: Command, context: CliContext): void {
  program
    .command('join')
    .description(
      'take part in a federation as an owner: take up an invite, wait for runs, train on own data, wait again',
    )
    .argument('<invite>', 'file with the invite, or the folder of an owner that has joined')
    .requiredOption('--data <files...>', 'own examples: files, folders or patterns in quotes')
    .option('--home <dir>', 'folder for keys, limits (owner.yaml), states and adapters; default: <federation>-<owner>')
    .option('--model <file>', 'own copy of the base, where the run file names a file')
    .option('--template <file>', 'own copy of the prompt template, where the run file names a file')
    .option('--accept', 'take part in whatever owner.yaml lets it, without asking')
    .action(async (path: string, flags: JoinFlags) => {
      const { readOwnerKeys, runAgent, takeUpInvite } = await nats();
      const invite = await inviteOf(path);
      const home = resolve(flags.home ?? (invite ? `${invite.federation}-${invite.owner}` : path));
      await makeFolder(home);
      const lock = await lockRun(home).catch((cause: unknown) => {
        if ((cause as FedtuneError).code !== 'LOCKED') throw cause;
        throw new FedtuneError('LOCKED', `Another agent is using ${home}. Wait for it, or choose another --home.`, {
          cause,
        });
      });
      // Several may share a terminal, or a log.
      const name = invite?.owner ?? basename(home);
      const onStatus = (text: string) => context.stderr.write(`${printable(`${name}: ${text}`)}\n`);
      const { signal } = context;
      try {
        const keys = invite ? await takeUpInvite(home, invite, { signal, onStatus }) : readOwnerKeys(home);
        if (!keys?.jwt)
          throw new ConfigError(`Expected the folder of an owner at ${home} but it has no ${join(home, 'keys.json')}.`);
        const accept = flags.accept ? async () => true : (proposal: Proposal) => askOwner(proposal, context);
        const { data, model, template } = flags;
        await runAgent({ home, keys, data, model, template, accept, signal, onStatus });
      } finally {
        await lock.release();
      }
    });
}
