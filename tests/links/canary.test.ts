import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadData } from '../../src/client/data.js';
import { examplesOf } from '../../src/client/examples.js';
import type { Link, Tap } from '../../src/links/link.js';
import { createInlineLink } from './inline.js';
import {
  compiledLinks,
  dealRows,
  describeAll,
  describeRequest,
  type Federation,
  finishRequest,
  makeFederation,
  scoreRequest,
  trainRequest,
} from './owners.js';

/** Texts that stand in every row of every owner and nowhere else. */
const CANARIES = ['Quokka7731', 'zyxwvu-canary', 'Ärmelkanal-Möwe'];

const planted = { instruction: `${CANARIES[0]}? `, input: `${CANARIES[1]} `, output: `${CANARIES[2]} ` };

const utf8 = (text: string): Buffer => Buffer.from(text);
const hasBytes = (messages: readonly Uint8Array[], needle: Buffer): boolean =>
  messages.some(({ buffer, byteOffset, byteLength }) => Buffer.from(buffer, byteOffset, byteLength).includes(needle));

/** A run of token ids in each form in which it could travel: 32, 16 and 64 bits, and as JSON. */
function formsOf(ids: readonly number[]): Buffer[] {
  const bytes = (array: ArrayBufferView) => Buffer.from(array.buffer, array.byteOffset, array.byteLength);
  return [
    bytes(Int32Array.from(ids)),
    bytes(Uint16Array.from(ids)),
    bytes(BigInt64Array.from(ids, BigInt)),
    bytes(Float32Array.from(ids)),
    bytes(Float64Array.from(ids)),
    utf8(ids.join(',')),
    utf8(ids.join(', ')),
  ];
}

async function everyMessage(federation: Federation, open: (tap: Tap) => Promise<Link>) {
  const messages: Uint8Array[] = [];
  const link = await open((_owner, _direction, bytes) => messages.push(bytes.slice()));
  try {
    await describeAll(link, federation);
    for (const { id } of federation.homes) {
      const states = { main: 1, local: 1 };
      await link.ask(id, trainRequest(federation, id));
      await link.ask(id, trainRequest(federation, id, { arm: 'local', parts: {} }));
      for (const split of ['valid', 'test'] as const) await link.ask(id, scoreRequest(federation, { split, states }));
      await link.ask(id, finishRequest(federation, id, { states }));
    }
    // An owner whose rows cannot be read says so, and no more.
    const [odd] = federation.homes;
    await link.ask(odd!.id, { ...describeRequest(federation), baseSha256: '0'.repeat(64) }).catch(() => {});
  } finally {
    await link.close();
  }
  return messages;
}

describe('nothing of an owner’s rows is in any message', () => {
  for (const kind of ['inline', 'threads', 'processes'] as const) {
    it(kind, async () => {
      const federation = await makeFederation(
        { method: 'perfit', also_local: true, finetune_steps: 2 },
        {
          owners: 2,
          change: (example) => ({
            ...example,
            instruction: planted.instruction + example.instruction,
            input: planted.input + example.input,
            output: planted.output + example.output,
          }),
        },
      );
      const { homes, model } = federation;
      const messages = await everyMessage(federation, async (tap) => {
        if (kind === 'inline') return createInlineLink({ homes, tap });
        const { createThreadsLink, createProcessesLink } = await compiledLinks();
        const options = { homes, model, workers: 2, threads: 1, tap };
        return kind === 'threads' ? createThreadsLink(options) : createProcessesLink(options);
      });
      expect(messages.length).toBeGreaterThan(20);
      for (const { home } of homes) {
        // The search finds what is there: in the owner's own files.
        expect(hasBytes([readFileSync(join(home, 'rows.jsonl'))], utf8(CANARIES[0]!))).toBe(true);
        const data = loadData(home);
        for (const split of ['train', 'valid', 'test'] as const) {
          const list = examplesOf(data, split);
          for (let i = 0; i < list.count; i++) {
            const { tokens } = list.example(i);
            for (const form of formsOf([...tokens.slice(0, 4)])) expect(hasBytes(messages, form)).toBe(false);
            for (const form of formsOf([...tokens.slice(-4)])) expect(hasBytes(messages, form)).toBe(false);
          }
        }
        expect(hasBytes([new Uint8Array(data.tokens.buffer)], formsOf([...data.tokens.slice(0, 4)])[0]!)).toBe(true);
        for (const id of data.ids) expect(hasBytes(messages, utf8(id))).toBe(false);
        const scores = readFileSync(join(home, 'scores.jsonl'), 'utf8')
          .trim()
          .split('\n')
          .map((line) => JSON.parse(line));
        expect(scores).toHaveLength(4);
        // A sum over one example alone would be a score of it; there are two in each split.
        for (const { nll } of scores) {
          for (const sum of Object.values(nll)) expect(hasBytes(messages, utf8(String(sum)))).toBe(false);
        }
      }
      for (const canary of CANARIES) {
        for (const encoding of ['utf8', 'utf16le'] as const) {
          expect(hasBytes(messages, Buffer.from(canary, encoding)), `${canary} in ${encoding}`).toBe(false);
        }
        expect(hasBytes(messages, utf8(JSON.stringify(canary).slice(1, -1)))).toBe(false);
      }
    });
  }

  it('nor in an error: rows that are no JSON, or break the template', async () => {
    const { dir, ...rest } = await makeFederation({}, { owners: 1 });
    const homes = dealRows(join(dir, 'odd'), new Map([['north', []]]));
    const federation: Federation = { ...rest, dir, homes };
    const messages: Uint8Array[] = [];
    const link = createInlineLink({ homes, tap: (_owner, _direction, bytes) => messages.push(bytes.slice()) });
    const { writeFileSync } = await import('node:fs');
    const rows = join(homes[0]!.home, 'rows.jsonl');
    writeFileSync(rows, `{"id":"a:1","instruction":"${CANARIES[0]}" ${CANARIES[1]}\n`);
    await expect(describeAll(link, federation)).rejects.toMatchObject({ name: 'DataError', code: 'BAD_ROW' });
    writeFileSync(
      rows,
      `${JSON.stringify({ id: 'a:1', instruction: CANARIES[0], input: [CANARIES[1]], output: '' })}\n`,
    );
    await expect(describeAll(link, federation)).rejects.toMatchObject({ code: 'BAD_ROW' });
    const template = join(dir, 'template.jinja');
    writeFileSync(template, '{{ raise_exception(messages[0].content) }}');
    writeFileSync(rows, `${JSON.stringify({ id: 'a:1', instruction: CANARIES[0], input: '', output: CANARIES[2] })}\n`);
    const odd = { ...federation, config: { ...federation.config, template, on_bad_row: 'fatal' as const } };
    const failed = await describeAll(link, odd).catch((error: unknown) => error);
    expect(failed).toMatchObject({ name: 'DataError', code: 'OWNER_DATA', message: expect.stringContaining('a:1') });
    // The owner itself can read why.
    expect(readFileSync(join(homes[0]!.home, 'error.txt'), 'utf8')).toContain(CANARIES[0]);
    await link.close();
    for (const canary of CANARIES) expect(hasBytes(messages, utf8(canary))).toBe(false);
  });
});
