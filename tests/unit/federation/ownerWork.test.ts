import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { parseConfig } from '../../../src/config/parse.js';
import type { DescribeRequest, Description, Request, TrainRequest, Update } from '../../../src/contracts/messages.js';
import { FedtuneError, InterruptedError } from '../../../src/errors.js';
import { limitsSchema, readLimits } from '../../../src/federation/limits.js';
import { OwnerWork, type OwnerWorkOptions } from '../../../src/federation/ownerWork.js';
import { decodeReply, encodeMessage, joinMessage } from '../../../src/links/codec.js';
import type { Link } from '../../../src/links/link.js';
import { sha256 } from '../../../src/sha256.js';

const RUN = '0b6c0f0e-5d0c-4d0e-8e59-0d9f7f1f7b11';
const DIGEST = 'd'.repeat(64);

const DESCRIPTION: Description = {
  kind: 'description',
  train: { examples: 10, targets: 90, tokens: 100 },
  valid: { examples: 1, targets: 9, tokens: 10 },
  test: { examples: 1, targets: 9, tokens: 10 },
  ...{ categories: { fractures: 4 }, dropped: { long: 0, empty: 0, refused: 0, repeated: 0 } },
  ...{ numCut: 0, numTargetsLost: 0, dataSha256: DIGEST, baseSha256: DIGEST, kernels: 'portable' },
};
const update = (request: TrainRequest, seconds: number): Update => ({
  ...{ kind: 'update', round: request.round, turn: request.turn, parts: {}, note: null, losses: [1] },
  ...{ tokens: { train: 1, search: 0, targets: 1 }, seconds: Float64Array.of(seconds) },
});

function temporaryFolder(): string {
  const dir = mkdtempSync(join(tmpdir(), 'fedtune-work-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

/** An owner whose process is played, and all that this was asked. */
function makeOwner(more: Partial<OwnerWorkOptions> = {}, act?: (request: Request) => void) {
  const home = temporaryFolder();
  const data = join(home, 'rows.csv');
  writeFileSync(data, 'instruction,output,split\nWhere?,Here.,test\nWhen?,Now.,train\n');
  const asked: Request[] = [];
  const open: OwnerWorkOptions['open'] = (where) => ({
    workers: 1,
    close: async () => {},
    ask: (async (_owner: string, request: Request) => {
      asked.push(request);
      act?.(request);
      if (request.kind === 'describe') writeFileSync(join(where.home, 'run.json'), JSON.stringify(request));
      const reply = request.kind === 'train' ? update(request, asked.length) : DESCRIPTION;
      return { reply, bytesDown: 0, bytesUp: 0 };
    }) as unknown as Link['ask'],
  });
  const work = new OwnerWork({
    ...{ id: 'north', home, data: [data], limits: limitsSchema.parse({}), open, onStatus: () => {} },
    accept: async () => true,
    ...more,
  });
  const ask = async (request: Request) => {
    const bytes = joinMessage(encodeMessage(request));
    return new Uint8Array(await work.answer({ run: RUN, digest: sha256(bytes), bytes }));
  };
  return { home, asked, ask, say: async (request: Request) => decodeReply(await ask(request)) };
}

const describeRequest = (settings: Record<string, unknown> = {}): DescribeRequest => ({
  kind: 'describe',
  config: parseConfig({ method: 'fedavg', local_steps: 3, num_rounds: 4, ...settings }),
  ...{ baseSha256: DIGEST, tokenizerSha256: DIGEST, templateSha256: null, rank: 8, givenSplits: [] },
});
const trainRequest = (more: Partial<TrainRequest> = {}): TrainRequest => ({
  ...{ kind: 'train', arm: 'main', round: 1, turn: 1, attempt: 0, seed: 1, state: 0, keep: [], parts: {}, note: null },
  ...more,
});

describe('an owner puts what is its own in the place of what a run names', () => {
  it('its rows, its copies of base and template, the splits that its rows give', async () => {
    const { asked, say, home } = makeOwner({ model: 'mine.gguf', template: 'mine.jinja' });
    const request = describeRequest({
      model: '/theirs/base.gguf',
      template: '/theirs/template.jinja',
      data: '/theirs/*.csv',
    });
    expect(await say(request)).toMatchObject({ kind: 'description' });
    const [inside] = asked as [DescribeRequest];
    expect(inside.config.model).toBe(join(process.cwd(), 'mine.gguf'));
    expect(inside.config.template).toBe(join(process.cwd(), 'mine.jinja'));
    expect(inside.givenSplits).toEqual(['test']);
    const rows = readFileSync(join(home, 'runs', RUN, 'rows.jsonl'), 'utf8')
      .trim()
      .split('\n');
    expect(rows.map((row) => JSON.parse(row).instruction)).toEqual(['Where?', 'When?']);
  });

  it('categories are told where owner.yaml says so, and not else', async () => {
    expect(await makeOwner().say(describeRequest())).toMatchObject({ categories: {} });
    const open = makeOwner({ limits: limitsSchema.parse({ categories: true }) });
    expect(await open.say(describeRequest())).toMatchObject({ categories: { fractures: 4 } });
  });
});

describe('an owner refuses by name, before it reads a row', () => {
  const refusals: readonly (readonly [string, Record<string, unknown>, Record<string, unknown>, string])[] = [
    ['a program of others', { strategy: './mine.mjs' }, {}, 'STRATEGY_REFUSED'],
    ['a base in a file that it does not name', { model: '/theirs/base.gguf' }, {}, 'NO_MODEL'],
    ['a template in a file that it does not name', { template: '/etc/passwd' }, {}, 'NO_TEMPLATE'],
    ['another method', {}, { methods: ['perfit'] }, 'OWNER_LIMIT'],
    ['more rounds', {}, { max_rounds: 3 }, 'OWNER_LIMIT'],
    ['more steps', {}, { max_local_steps: 2 }, 'OWNER_LIMIT'],
    ['more steps at the end', { finetune_steps: 11 }, { max_local_steps: 10 }, 'OWNER_LIMIT'],
    ['fewer owners in a merge', {}, { min_owners: 3 }, 'OWNER_LIMIT'],
  ];
  it.each(refusals)('%s', async (_, settings, limits, code) => {
    const { asked, say } = makeOwner({ limits: limitsSchema.parse(limits) });
    expect(await say(describeRequest(settings))).toMatchObject({ kind: 'error', error: { code, stack: null } });
    // Nor does it work for a run that it takes no part in.
    expect(await say(trainRequest())).toMatchObject({ kind: 'error', error: { code: 'NOT_DESCRIBED' } });
    expect(asked).toEqual([]);
  });

  it('a run that its owner declines; asked again where the run is another by then', async () => {
    const shown: string[] = [];
    const owner = makeOwner({
      accept: async ({ config }) => {
        shown.push(config.method);
        return config.method === 'fedavg';
      },
    });
    expect(await owner.say(describeRequest())).toMatchObject({ kind: 'description' });
    expect(await owner.say(describeRequest())).toMatchObject({ kind: 'description' });
    expect(await owner.say(describeRequest({ method: 'perfit' }))).toMatchObject({ error: { code: 'DECLINED' } });
    expect(shown).toEqual(['fedavg', 'perfit']);
  });

  it('rounds beyond those agreed to, and epochs of more steps than it lets', async () => {
    const { say } = makeOwner({ limits: limitsSchema.parse({ max_local_steps: 4 }) });
    await say(describeRequest());
    expect(await say(trainRequest({ round: 5 }))).toMatchObject({ error: { code: 'OWNER_LIMIT' } });
    // 10 examples, 2 a step.
    await say(describeRequest({ local_steps: null, local_epochs: 1, batch_size: 2, gradient_accumulation_steps: 1 }));
    expect(await say(trainRequest())).toMatchObject({
      error: { code: 'OWNER_LIMIT', message: expect.stringContaining('5 steps') },
    });
  });

  it('bytes that are no request, and what is none of its business', async () => {
    const { ask } = makeOwner();
    expect(decodeReply(await ask({ kind: 'scored', scores: {}, tokens: 0 } as never))).toMatchObject({
      error: { code: 'BAD_MESSAGE' },
    });
  });
});

describe('hours in which an owner trains', () => {
  const at = (limits: Record<string, unknown>, time: string) =>
    makeOwner({ limits: limitsSchema.parse(limits), now: () => new Date(time) });

  // Vienna is an hour before Greenwich in winter, two in summer.
  it.each([
    ['22:00-06:00', '2027-01-10T20:59:00Z', false],
    ['22:00-06:00', '2027-01-10T21:00:00Z', true],
    ['22:00-06:00', '2027-01-10T04:59:00Z', true],
    ['22:00-06:00', '2027-01-10T05:00:00Z', false],
    ['22:00-06:00', '2027-07-10T20:00:00Z', true],
    ['22:00-06:00', '2027-07-10T04:00:00Z', false],
    ['9-17', '2027-01-10T08:00:00Z', true],
    ['9-17', '2027-01-10T16:00:00Z', false],
    ['18:30-24:00', '2027-01-10T22:59:00Z', true],
    ['18:30-24:00', '2027-01-10T23:00:00Z', false],
  ])('%s in Vienna, at %s: %s', async (hours, time, isOpen) => {
    const { say, asked } = at({ hours, time_zone: 'Europe/Vienna' }, time);
    expect(await say(describeRequest())).toMatchObject({ kind: 'description' });
    const reply = await say(trainRequest());
    if (isOpen) expect(reply).toMatchObject({ kind: 'update' });
    else
      expect(reply).toMatchObject({
        error: { code: 'OUT_OF_HOURS', message: expect.stringMatching(`trains at ${hours} \\(Europe/Vienna\\)`) },
      });
    expect(asked).toHaveLength(isOpen ? 2 : 1);
  });

  it('what was trained is given at any time, scores are too, and so is the end but for fine-tuning', async () => {
    let now = new Date('2027-01-10T23:00:00Z');
    const limits = limitsSchema.parse({ hours: '22-6', time_zone: 'UTC' });
    const { say, ask } = makeOwner({ limits, now: () => now });
    await say(describeRequest());
    const update = await ask(trainRequest());
    now = new Date('2027-01-11T12:00:00Z');
    expect(await ask(trainRequest())).toEqual(update);
    const states = { states: { main: 1, local: 0 }, parts: {}, note: null };
    await say({ kind: 'score', round: 1, split: 'test', which: ['base'], ...states });
    const finish = { kind: 'finish', round: 4, seed: 1, ...states } as const;
    expect(await say(finish)).not.toMatchObject({ kind: 'error' });
    await say(describeRequest({ finetune_steps: 2 }));
    expect(await say(finish)).toMatchObject({ error: { code: 'OUT_OF_HOURS' } });
  });
});

describe('an owner trains once for each request', () => {
  it('the same again gives the same bytes without work; another one of that arm puts it away', async () => {
    const { asked, ask, say } = makeOwner();
    await say(describeRequest());
    const first = await ask(trainRequest());
    expect(await ask(trainRequest())).toEqual(first);
    await ask(trainRequest({ arm: 'local' }));
    expect(await ask(trainRequest())).toEqual(first);
    expect(asked.filter(({ kind }) => kind === 'train')).toHaveLength(2);
    await ask(trainRequest({ round: 2, turn: 2 }));
    await ask(trainRequest());
    expect(asked.filter(({ kind }) => kind === 'train')).toHaveLength(4);
  });

  it('a failure is told without paths of this machine, and tried anew when asked anew', async () => {
    let fails = true;
    const { say } = makeOwner({}, ({ kind }) => {
      if (kind === 'train' && fails) throw new FedtuneError('WORKER', 'It ended.', { cause: new Error('inside') });
    });
    await say(describeRequest());
    expect(await say(trainRequest())).toMatchObject({ error: { code: 'WORKER', stack: null, cause: { stack: null } } });
    fails = false;
    expect(await say(trainRequest())).toMatchObject({ kind: 'update' });
  });

  it('what is interrupted gives no reply', async () => {
    const { ask, say } = makeOwner({}, ({ kind }) => {
      if (kind === 'train') throw new InterruptedError('Interrupted.');
    });
    await say(describeRequest());
    await expect(ask(trainRequest())).rejects.toBeInstanceOf(InterruptedError);
  });
});

describe('owner.yaml', () => {
  it('is as docs/distribution.md has it', () => {
    const page = readFileSync(new URL('../../../docs/distribution.md', import.meta.url), 'utf8');
    const told = [...page.matchAll(/^\| `(\w+)` +\| (\w+) +\| .* \|$/gm)].map(([, key, value]) => [key, value]);
    const words: Readonly<Record<string, string>> = {
      ...{ methods: 'all', threads: 'cores', hours: 'any', time_zone: 'own', samples: 'none' },
    };
    expect(told).toEqual(
      Object.entries(limitsSchema.parse({})).map(([key, value]) => [key, words[key] ?? String(value)]),
    );
  });

  it('has defaults, names what is wrong in it, and may be missing', async () => {
    const path = join(temporaryFolder(), 'owner.yaml');
    expect(await readLimits(path)).toEqual(limitsSchema.parse({}));
    writeFileSync(path, 'methods: [perfit]\nmin_owners: 3\n');
    expect(await readLimits(path)).toMatchObject({ methods: ['perfit'], min_owners: 3 });
    for (const wrong of [
      'methods: [magic]',
      'hours: 25-6',
      'hours: 6-6',
      'hours: 6',
      'time_zone: Mars',
      'max_rounds: 0',
      'max_round: 3',
      '[1]',
      'a: [',
    ]) {
      writeFileSync(path, wrong);
      await expect(readLimits(path)).rejects.toMatchObject({
        name: 'ConfigError',
        message: expect.stringContaining(path),
      });
    }
  });
});
