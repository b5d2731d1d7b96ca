import {
  appendFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadData } from '../../../src/client/data.js';
import { examplesOf } from '../../../src/client/examples.js';
import { chooseTakeHome } from '../../../src/client/finishing.js';
import { Owner } from '../../../src/client/owner.js';
import type { Description, Finished, Reply, Request, Scored, Update } from '../../../src/contracts/messages.js';
import { EngineError, InterruptedError } from '../../../src/errors.js';
import { readPeftAdapter } from '../../../src/export/index.js';
import { StateStore } from '../../../src/store/index.js';
import {
  dealRows,
  describeRequest,
  type Federation,
  finishRequest,
  makeFederation,
  scoreRequest,
  temporaryFolder,
  trainRequest,
} from '../../links/owners.js';
import { outOfMemory, type ToyEngine, toyHost } from './toyHost.js';

/** The reply, or the failure thrown. */
async function ask<R extends Reply>(owner: Owner, request: Request): Promise<R> {
  const reply = await owner.handle(request);
  if (reply.kind === 'error') throw Object.assign(new Error(reply.error.message), reply.error);
  return reply as R;
}

async function open(settings: Record<string, unknown> = {}, engine?: ToyEngine) {
  const federation = await makeFederation(settings, { owners: 1 });
  const home = federation.homes[0]!;
  const host = toyHost(engine);
  const owner = new Owner(home, host);
  const description = await ask<Description>(owner, describeRequest(federation));
  return { federation, home: home.home, id: home.id, takeHome: home.takeHome, host, owner, description };
}

const statesOf = (home: string): number[] => StateStore.open(join(home, 'state', 'main')).turns();

describe('an owner describes its data', () => {
  it('splits every row once, and leaves the ids at home', async () => {
    const { home, description } = await open({
      max_train_examples: null,
      max_valid_examples: null,
      max_test_examples: null,
    });
    const split = JSON.parse(readFileSync(join(home, 'split.json'), 'utf8')) as Record<string, string[]>;
    const { train, valid, test } = split;
    expect([train!.length, valid!.length, test!.length]).toEqual([
      description.train.examples,
      description.valid.examples,
      description.test.examples,
    ]);
    const ids = readFileSync(join(home, 'rows.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).id);
    expect([...train!, ...valid!, ...test!].sort()).toEqual(ids.sort());
  });

  it('leaves the ids at home also where it could not write them before', async () => {
    const federation = await makeFederation({}, { owners: 1 });
    const home = federation.homes[0]!;
    const path = join(home.home, 'split.json');
    mkdirSync(join(path, 'in the way'), { recursive: true });
    const describe = () => ask<Description>(new Owner(home, toyHost()), describeRequest(federation));
    await expect(describe()).rejects.toMatchObject({ code: 'WRITE_FAILED' });
    rmSync(path, { recursive: true });
    const { train } = await describe();
    expect(JSON.parse(readFileSync(path, 'utf8')).train).toHaveLength(train.examples);
  });

  it('stops between two rows where the run ends, and leaves nothing that counts as whole', async () => {
    const federation = await makeFederation({}, { owners: 1 });
    const home = federation.homes[0]!;
    const host = toyHost();
    let asked = 0;
    const stopping = Object.assign(Object.create(host), {
      throwIfStopped() {
        if (++asked > 5) throw new InterruptedError('Interrupted.');
      },
    });
    await expect(ask(new Owner(home, stopping), describeRequest(federation))).rejects.toMatchObject({
      name: 'InterruptedError',
    });
    expect(readdirSync(home.home)).toEqual(['rows.jsonl']);
    await expect(ask(new Owner(home, host), describeRequest(federation))).resolves.toMatchObject({
      kind: 'description',
    });
  });

  it('counts target tokens, categories, and what was cut or dropped', async () => {
    const whole = await open({ seq_length: 2048 });
    const cut = await open({ seq_length: 100 });
    const dropped = await open({ seq_length: 64, on_long: 'drop' });
    expect(whole.description).toMatchObject({ numCut: 0, dropped: { long: 0, empty: 0, refused: 0, repeated: 0 } });
    expect(cut.description.numCut).toBeGreaterThan(0);
    expect(dropped.description.dropped.long).toBeGreaterThan(0);
    // What the cut takes is what the whole has more; both have the same rows in use.
    const targets0 = ({ train, valid, test }: Description) => train.targets + valid.targets + test.targets;
    expect(targets0(cut.description) + cut.description.numTargetsLost).toBe(targets0(whole.description));
    const data = loadData(whole.home);
    const list = examplesOf(data, 'train');
    let [targets, tokens] = [0, 0];
    for (let i = 0; i < list.count; i++) tokens += list.example(i).tokens.length;
    for (let i = 0; i < list.count; i++) targets += list.example(i).lossMask.reduce((sum, bit) => sum + bit, 0);
    expect(whole.description.train).toEqual({ examples: 8, tokens, targets });
    const perCategory = Object.values(whole.description.categories);
    expect(perCategory.reduce((sum, count) => sum + count, 0)).toBe(8);
  });

  it('tells by counts alone why rows were left out; file, line and reason stay at home', async () => {
    const federation = await makeFederation({ seq_length: 64, on_long: 'drop' }, { owners: 1 });
    const { home } = federation.homes[0]!;
    const file = join(home, 'rows.jsonl');
    const [first] = readFileSync(file, 'utf8').split('\n');
    const more = { ...JSON.parse(first!), instruction: 'Why?', input: '', output: 'So.' };
    appendFileSync(file, `${JSON.stringify({ ...more, id: 'here:1', split: 'test' })}\n`);
    appendFileSync(file, `${JSON.stringify({ ...more, id: 'here:2', split: 'train' })}\n`);
    const owner = new Owner(federation.homes[0]!, toyHost());
    const uncapped = { max_train_examples: null, max_valid_examples: null, max_test_examples: null };
    const description = await ask<Description>(owner, {
      ...describeRequest(federation),
      config: { ...federation.config, ...uncapped },
      givenSplits: ['test'],
    });
    const { long, empty, repeated, reasons } = JSON.parse(readFileSync(join(home, 'summary.json'), 'utf8'));
    expect(description.dropped).toEqual({ long, empty, refused: 0, repeated });
    expect(repeated).toBe(1);
    expect(long).toBeGreaterThan(0);
    expect(reasons.map((one: { first: string }) => one.first)).toContain('here:2');
    const told = JSON.stringify(description);
    for (const { reason, first: place } of reasons) {
      expect(told).not.toContain(reason);
      expect(told).not.toContain(place);
    }
  });

  it('takes the tokenizer only where tokens are made', async () => {
    const { federation, owner, host } = await open();
    expect(host.tokenizersLoaded).toBe(1);
    await ask<Description>(owner, describeRequest(federation));
    expect(host.tokenizersLoaded).toBe(1);
    await ask<Description>(owner, { ...describeRequest(federation), config: { ...federation.config, seed: 5 } });
    expect(host.tokenizersLoaded).toBe(2);
  });

  it('keeps its tokens, and makes them anew where rows, settings or template are others, or the file is damaged', async () => {
    const { federation, owner, home, description } = await open();
    const manifest = join(home, 'tokens', '000001.json');
    const again = async (change: Record<string, unknown> = {}) => {
      const before = statSync(manifest).ino;
      const config = { ...federation.config, ...change };
      const reply = await ask<Description>(owner, describeRequest({ ...federation, config }));
      return { reply, isNew: statSync(manifest).ino !== before };
    };
    expect(await again()).toEqual({ reply: description, isNew: false });
    // What the tokens do not depend on.
    expect((await again({ learning_rate: 0.5, num_rounds: 9 })).isNew).toBe(false);
    expect((await again({ seed: 5 })).reply.dataSha256).not.toBe(description.dataSha256);
    const template = join(home, 'template.json');
    writeFileSync(
      template,
      JSON.stringify({ prompt_input: 'A {instruction} {input}', prompt_no_input: 'A {instruction}' }),
    );
    const first = await again({ template });
    writeFileSync(
      template,
      JSON.stringify({ prompt_input: 'B {instruction} {input}', prompt_no_input: 'B {instruction}' }),
    );
    expect((await again({ template })).reply.dataSha256).not.toBe(first.reply.dataSha256);
    expect(await again()).toEqual({ reply: description, isNew: true });
    const [blob] = readdirSync(join(home, 'tokens', 'blobs'));
    truncateSync(join(home, 'tokens', 'blobs', blob!), 3);
    expect(await again()).toEqual({ reply: description, isNew: true });
    appendFileSync(join(home, 'rows.jsonl'), '{"id":"more:1","instruction":"Why?","input":"","output":"Because."}\n');
    expect((await again()).isNew).toBe(true);
  });

  it('an owner that the run describes anew works with the new data at once, whichever object answers', async () => {
    const { federation, owner, home, host, id } = await open();
    const train = () => ask<Update>(owner, trainRequest(federation, id));
    const before = await train();
    const rows = readFileSync(join(home, 'rows.jsonl'), 'utf8').split('\n').slice(4).join('\n');
    writeFileSync(join(home, 'rows.jsonl'), rows);
    await ask(new Owner(federation.homes[0]!, host), describeRequest(federation));
    expect((await train()).parts).not.toEqual(before.parts);
  });

  it('an owner without a single row has none', async () => {
    const federation = await makeFederation({}, { owners: 1 });
    const [home] = dealRows(temporaryFolder(), new Map([['empty', []]]));
    const reply = await ask<Description>(new Owner(home!, toyHost()), describeRequest(federation));
    expect(reply.train).toEqual({ examples: 0, tokens: 0, targets: 0 });
  });
});

describe('an owner trains', () => {
  const turn = (federation: Federation, id: string, number: number) =>
    trainRequest(federation, id, {
      turn: number,
      round: number,
      state: number - 1,
      keep: [number - 1],
      note: { search: number === 1 },
    });

  it('from the state before, again to the same bits, wherever it was cut', async () => {
    const { federation, owner, id, home, host } = await open({ method: 'local' });
    const first = await ask<Update>(owner, turn(federation, id, 1));
    const second = await ask<Update>(owner, turn(federation, id, 2));
    const saved = StateStore.open(join(home, 'state', 'main')).load(2);
    const strip = (update: Update) => ({ ...update, seconds: 0 });
    // The server never got the reply; another process asks again.
    const other = new Owner(federation.homes[0]!, toyHost());
    expect(strip(await ask<Update>(other, turn(federation, id, 2)))).toEqual(strip(second));
    expect(StateStore.open(join(home, 'state', 'main')).load(2)).toEqual(saved);
    // The server was set back by two rounds.
    await expect(ask(other, turn(federation, id, 1))).resolves.toMatchObject({ turn: 1 });
    expect(strip(await ask<Update>(other, turn(federation, id, 1)))).toEqual(strip(first));
    host.stopped = true;
    await expect(ask(owner, turn(federation, id, 2))).rejects.toMatchObject({ name: 'InterruptedError' });
  });

  it('keeps the states that the server may come back to, and no others', async () => {
    const { federation, owner, id, home } = await open({ method: 'local' });
    for (let number = 1; number <= 4; number++) {
      await ask(owner, turn(federation, id, number));
      expect(statesOf(home)).toEqual(number === 1 ? [1] : [number - 1, number]);
    }
    await ask(owner, { ...turn(federation, id, 7), state: 4, keep: [3, 4] });
    expect(statesOf(home)).toEqual([3, 4, 7]);
  });

  it('keeps its adapter as its training left it, to score and take home at the end beside the merged one', async () => {
    const settings = { method: 'fedavg', take_home: 'unmerged', num_rounds: 2 };
    const { federation, owner, id, takeHome } = await open(settings);
    await ask(owner, turn(federation, id, 1));
    const update = await ask<Update>(owner, turn(federation, id, 2));
    const states = { main: 2, local: 0 };
    const scored = await ask<Scored>(owner, scoreRequest(federation, { which: ['global', 'unmerged'], states }));
    // The fresh adapter stands for the merged one here.
    expect(scored.scores.unmerged!.nll).not.toBe(scored.scores.global!.nll);
    const reply = await ask<Finished>(owner, { ...finishRequest(federation, id), states });
    expect(Object.keys(reply.test)).toEqual(['base', 'global', 'unmerged']);
    expect(reply.takeHome).toBe('unmerged');
    const taken = await readPeftAdapter(takeHome, federation.model);
    expect(taken.values.toSorted()).toEqual(update.parts.adapter!.values.toSorted());
  });

  it.each([
    [{}, false],
    [{ num_rounds: 1 }, true],
    [{ clients_per_round: 1 }, true],
    [{ participation: 0.5 }, true],
    [{ dropout_rate: 0.1 }, true],
    [{ async_buffer: 1, devices: [{ name: 'desk', tokens_per_second: 1000 }] }, true],
  ] as const)('%o: keeps that adapter of a round which may be its last: %s', async (settings, isKept) => {
    const { federation, owner, id } = await open({ method: 'fedavg', num_rounds: 3, ...settings });
    await ask(owner, turn(federation, id, 1));
    const request = scoreRequest(federation, { which: ['unmerged'], states: { main: 1, local: 0 } });
    expect('unmerged' in (await ask<Scored>(owner, request)).scores).toBe(isKept);
  });

  it.each([
    [{ method: 'fedavg', optimizer_state: 'keep' }, [0, 2, 4]],
    [{ method: 'fedavg' }, [0, 0, 0]],
    [{ method: 'local' }, [0, 2, 4]],
    [{ method: 'local', optimizer_state: 'fresh' }, [0, 0, 0]],
    [{ method: 'ditto', optimizer_state: 'keep' }, [0, 0, 2, 2, 4, 4]],
  ] as const)('%o: rounds of 2 steps begin after %o steps of their optimizer', async (settings, expected) => {
    const engine: ToyEngine = { steps: 0, evaluations: 0, begun: [] };
    const { federation, owner, id } = await open({ ...settings, local_steps: 2 }, engine);
    for (let number = 1; number <= 3; number++) await ask(owner, turn(federation, id, number));
    expect(engine.begun).toEqual(expected);
    // Again, from the state before it, in another process.
    const again: ToyEngine = { steps: 0, evaluations: 0, begun: [] };
    await ask(new Owner(federation.homes[0]!, toyHost(again)), turn(federation, id, 3));
    expect(again.begun).toEqual(expected.slice(-expected.length / 3));
  });

  it('beside a method with the optimizer of one who trains alone, whatever that of the method', async () => {
    const engine: ToyEngine = { steps: 0, evaluations: 0, begun: [] };
    const settings = { also_local: true, optimizer_state: 'fresh', local_steps: 2 };
    const { federation, owner, id } = await open(settings, engine);
    for (let number = 1; number <= 3; number++) {
      await ask(owner, turn(federation, id, number));
      await ask(owner, { ...turn(federation, id, number), arm: 'local' });
    }
    expect(engine.begun).toEqual([0, 0, 0, 2, 0, 4]);
  });

  it('writes nothing where the run ended in the middle', async () => {
    const engine: ToyEngine = { steps: 0, evaluations: 0 };
    const { federation, owner, id, home, host } = await open({ method: 'local', local_steps: 3 }, engine);
    engine.beforeStep = (step) => {
      if (step === 3) host.stopped = true;
    };
    await expect(ask(owner, turn(federation, id, 1))).rejects.toMatchObject({ name: 'InterruptedError' });
    expect(statesOf(home)).toEqual([]);
  });

  it('sends nothing that is not finite', async () => {
    const { federation, owner, id, home } = await open({ method: 'local' }, { steps: 0, evaluations: 0, ruins: 3 });
    await expect(ask(owner, turn(federation, id, 1))).rejects.toMatchObject({
      code: 'NON_FINITE',
      message: expect.stringMatching(/entry 3 of its main adapter is NaN/),
    });
    expect(statesOf(home)).toEqual([]);
  });

  it('not where it has no examples', async () => {
    const { federation, owner, id } = await open({ seq_length: 8, on_long: 'drop' });
    await expect(ask(owner, turn(federation, id, 1))).rejects.toMatchObject({ name: 'DataError', code: 'NO_EXAMPLES' });
  });
});

describe('an owner finishes', () => {
  it('with sums that are those of its own lines, in order', async () => {
    const { federation, owner, id, home, takeHome } = await open({ finetune_steps: 2, also_local: true });
    const reply = await ask<Finished>(owner, finishRequest(federation, id));
    const lines = readFileSync(join(home, 'scores.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    for (const split of ['valid', 'test'] as const) {
      const own = lines.filter((line) => line.split === split);
      expect(Object.keys(reply[split])).toEqual(['base', 'local', 'global', 'tuned']);
      for (const [which, { nll, tokens }] of Object.entries(reply[split])) {
        expect(own.reduce((sum, line) => sum + line.nll[which], 0)).toBe(nll);
        expect(own.reduce((sum, line) => sum + line.targets, 0)).toBe(tokens);
      }
    }
    expect(lines[0]).toMatchObject({ id: expect.any(String), category: expect.any(String), split: 'valid' });
    expect(readdirSync(takeHome).sort()).toEqual(['adapter_config.json', 'adapter_model.safetensors']);
    expect(reply.tokens.tune).toBeGreaterThan(0);
  });

  it('fine-tunes at the rates of the last round, and trains on who is alone as far, with its own rate and optimizer', async () => {
    const engine: ToyEngine = { steps: 0, evaluations: 0 };
    const settings = {
      ...{ also_local: true, learning_rate: 0.1, local_learning_rate: 0.4, lr_scheduler: 'linear', num_rounds: 2 },
      ...{ local_steps: 2, finetune_steps: 2 },
    };
    const { federation, owner, id } = await open(settings, engine);
    const train = (round: number) =>
      ask(owner, { ...trainRequest(federation, id, { turn: round, round, state: round - 1 }), arm: 'local' });
    engine.taken = [];
    await train(1);
    await train(2);
    expect(engine.taken.map(({ rate }) => rate)).toEqual([0.4, 0.3, 0.2, 0.1].map((rate) => expect.closeTo(rate, 12)));
    Object.assign(engine, { taken: [], begun: [] });
    const before = engine.steps;
    const reply = await ask<Finished>(owner, { ...finishRequest(federation, id), states: { main: 0, local: 2 } });
    expect(engine.steps - before).toBe(4);
    expect(engine.begun).toEqual([0, 4]);
    expect(engine.taken.map(({ rate }) => rate)).toEqual(
      [0.05, 0.025, 0.2, 0.1].map((rate) => expect.closeTo(rate, 12)),
    );
    expect(reply.tokens.local).toBe(reply.tokens.tune);
    expect(Object.keys(reply.test)).toEqual(['base', 'local', 'global', 'tuned']);
  });

  it('fine-tunes at a rate of its own, pulled to what it starts from, where the run file says so', async () => {
    const engine: ToyEngine = { steps: 0, evaluations: 0, taken: [] };
    const settings = { finetune_steps: 3, finetune_learning_rate: 0.7, finetune_prox: 0.25, lr_scheduler: 'cosine' };
    const { federation, owner, id } = await open(settings, engine);
    await ask(owner, finishRequest(federation, id));
    // The fresh adapter stands for the merged one here.
    const step = { rate: 0.7, pull: 0.25, anchor: federation.initial };
    expect(engine.taken).toEqual([step, step, step]);
  });

  it('scores what is asked for and exists', async () => {
    const engine: ToyEngine = { steps: 0, evaluations: 0 };
    const { federation, owner } = await open({}, engine);
    const asked = scoreRequest(federation, { which: ['base', 'personalized'] });
    const scored = await ask(owner, asked);
    expect(scored).toMatchObject({ scores: { base: { tokens: expect.any(Number) } } });
    expect(Object.keys((scored as { scores: object }).scores)).toEqual(['base']);
    expect(engine.evaluations).toBe(1);
  });

  it('scores nothing that it has scored before, whichever object answers, and says the same', async () => {
    const run = async (evaluateFirst: boolean) => {
      const engine: ToyEngine = { steps: 0, evaluations: 0 };
      const { federation, owner, id, home, takeHome } = await open({ also_local: true, finetune_steps: 2 }, engine);
      if (evaluateFirst) {
        await ask(owner, scoreRequest(federation, { which: ['base'] }));
        await ask(owner, scoreRequest(federation, { which: ['local', 'global'] }));
      }
      const before = engine.evaluations;
      const again = new Owner({ id, home, takeHome }, toyHost(engine));
      const reply = await ask<Finished>(again, finishRequest(federation, id));
      return { reply, lines: readFileSync(join(home, 'scores.jsonl'), 'utf8'), forwards: engine.evaluations - before };
    };
    const [fresh, known] = [await run(false), await run(true)];
    // One batch a split holds all examples: base, local, global and tuned on both, of which local is the fresh adapter as global is.
    expect([fresh.forwards, known.forwards]).toEqual([6, 4]);
    expect({ ...known, forwards: 0 }).toEqual({ ...fresh, forwards: 0 });
  });

  it('scores anew where the examples are others', async () => {
    const engine: ToyEngine = { steps: 0, evaluations: 0 };
    const { federation, owner, home } = await open({}, engine);
    const asked = scoreRequest(federation, { which: ['base'] });
    const before = await ask<Scored>(owner, asked);
    expect(await ask<Scored>(owner, asked)).toEqual(before);
    expect(engine.evaluations).toBe(1);
    const rows = readFileSync(join(home, 'rows.jsonl'), 'utf8').split('\n').slice(4).join('\n');
    writeFileSync(join(home, 'rows.jsonl'), rows);
    await ask(owner, describeRequest(federation));
    await ask(owner, asked);
    expect(engine.evaluations).toBe(2);
  });

  it('tries a fine-tuning again that failed by chance, and says why there is none', async () => {
    const run = async (failing: (step: number) => void) => {
      const engine: ToyEngine = { steps: 0, evaluations: 0, beforeStep: failing };
      const { federation, owner, id } = await open({ finetune_steps: 2, retries: 1 }, engine);
      return { reply: await ask<Finished>(owner, finishRequest(federation, id)), steps: engine.steps };
    };
    const once = await run((step) => step === 1 && outOfMemory());
    expect(once.reply).toMatchObject({ tuneFailure: null, test: { tuned: { nll: expect.any(Number) } } });
    const always = await run(outOfMemory);
    expect(always).toMatchObject({ steps: 2, reply: { tuneFailure: { code: 'OUT_OF_MEMORY' } } });
    expect(always.reply.test).not.toHaveProperty('tuned');
    const diverged = await run(() => {
      throw new EngineError('DIVERGED', 'Expected a finite loss.');
    });
    expect(diverged).toMatchObject({ steps: 1, reply: { tuneFailure: { name: 'EngineError', code: 'DIVERGED' } } });
  });
});

describe('what is taken home', () => {
  const score = (nll: number) => ({ nll, ppl: Math.exp(nll), tokens: 1 });

  it('is what validation prefers, the earlier of equals; without it the most personal', () => {
    const all = ['base', 'local', 'global', 'tuned'] as const;
    const valid = { base: score(3), local: score(2), global: score(2), tuned: score(2.5) };
    expect(chooseTakeHome('best_on_validation', valid, all)).toBe('local');
    expect(chooseTakeHome('best_on_validation', { ...valid, base: score(1) }, all)).toBe('base');
    expect(chooseTakeHome('best_on_validation', {}, all)).toBe('tuned');
    expect(chooseTakeHome('best_on_validation', { global: score(1) }, all)).toBe('global');
    expect(chooseTakeHome('global', valid, all)).toBe('global');
    expect(chooseTakeHome('personalized', valid, all)).toBe('tuned');
  });

  it('is what the owner trained in its last round only where validation prefers it, or the run file says so', () => {
    const all = ['base', 'global', 'personalized', 'unmerged'] as const;
    const valid = { base: score(3), global: score(2), personalized: score(1.5), unmerged: score(1.4) };
    expect(chooseTakeHome('best_on_validation', valid, all)).toBe('unmerged');
    expect(chooseTakeHome('best_on_validation', { ...valid, unmerged: score(1.5) }, all)).toBe('personalized');
    expect(chooseTakeHome('best_on_validation', {}, all)).toBe('personalized');
    expect(chooseTakeHome('unmerged', {}, all)).toBe('unmerged');
    expect(chooseTakeHome('tuned', {}, all)).toBe('personalized');
  });
});
