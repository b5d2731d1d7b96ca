import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { limitsSchema } from '../../src/federation/limits.js';
import { runFederation } from '../../src/run/runFederation.js';
import { expectHidden, filesBelow, formsOfText, found, joined, OWNERS, plantedData } from '../links/canaries.js';
import { netConfig, startAgent } from './agents.js';
import { testFederation } from './server.js';

vi.setConfig({ testTimeout: 300_000 });

const federation = testFederation();

/** A score in each form in which it could travel. */
const formsOfScore = (value: number): Buffer[] => {
  const bytes = (array: ArrayBufferView) => Buffer.from(array.buffer, array.byteOffset, array.byteLength);
  return [Buffer.from(String(value)), bytes(Float64Array.of(value))];
};

describe('nothing of a row leaves its owner over NATS', () => {
  it('neither in any message nor in a file of the server or of the coordinator', async () => {
    const planted = join(federation.root, 'planted');
    mkdirSync(planted);
    const data = await plantedData(planted);
    const messages: Buffer[] = [];
    // Everything that reaches the coordinator's account: what owners send, what they are sent, and what the server answers.
    federation.coordinator.subscribe('>', {
      callback: (_error, { subject, headers, data: payload }) => {
        messages.push(Buffer.concat([Buffer.from(`${subject} ${headers ?? ''} `), payload]));
      },
    });
    await federation.coordinator.flush();
    for (const [i, owner] of OWNERS.entries()) {
      const limits = limitsSchema.parse({ categories: true });
      await startAgent(federation, owner, i, { data: [join(data, `${owner}.jsonl`)], limits });
    }
    const output_dir = join(federation.root, 'run');
    const settings = {
      method: 'ditto',
      also_local: true,
      finetune_steps: 1,
      eval_every: 1,
      num_rounds: 2,
      seq_length: 256,
    };
    await runFederation({ config: netConfig(federation, { ...settings, output_dir }) });
    const files = [...filesBelow(federation.folder.dir), ...filesBelow(output_dir)];
    const seen = [...messages, ...files.map(([, bytes]) => bytes)];

    // Requests, replies, their pieces, and the streams in which the server keeps them are there.
    for (const what of ['fed.task.', 'fed.down.', 'fed.reply.', 'fed.up.', '"kind":"update"', '"kind":"finished"'])
      expect(found(messages, [Buffer.from(what)]), what).toBe(true);
    expect(files.some(([name, bytes]) => name.startsWith('jetstream') && bytes.includes('"kind":"finish'))).toBe(true);
    expect(files.some(([name]) => name === 'events.jsonl')).toBe(true);

    const homes = OWNERS.map((owner) => {
      const runs = join(federation.root, owner, 'runs');
      return join(runs, readdirSync(runs)[0]!);
    });
    const owned = homes.flatMap((home) => [...filesBelow(home).values()]);
    expectHidden(seen, owned, homes);
    const one = joined(seen);
    for (const home of homes) {
      const lines = readFileSync(join(home, 'scores.jsonl'), 'utf8').trim().split('\n');
      const scores = lines.map((line) => JSON.parse(line) as { split: string; nll: Record<string, number> });
      // The sum over a split of one example is its score, which docs/distribution.md says.
      const many = scores.filter(({ split }) => scores.filter((other) => other.split === split).length > 1);
      const values = many.flatMap(({ nll }) => Object.values(nll));
      expect(values.length).toBeGreaterThan(5);
      for (const value of values) expect(found([one], formsOfScore(value)), String(value)).toBe(false);
      for (const id of Object.values(JSON.parse(readFileSync(join(home, 'split.json'), 'utf8'))).flat() as string[])
        if (id.length > 8) expect(found([one], formsOfText(id)), id).toBe(false);
    }
  });
});
