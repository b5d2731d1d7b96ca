import { mkdirSync, mkdtempSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { initialValues } from '../../src/adapter/init.js';
import type { Adapter } from '../../src/adapter/layout.js';
import { layoutFor } from '../../src/adapter/shapes.js';
import { FedtuneError } from '../../src/errors.js';
import { readGgufAdapter, readPeftAdapter, writeGgufAdapter, writePeftAdapter } from '../../src/export/index.js';
import { loadModel } from '../../src/model/index.js';
import { Base, Trainer } from '../../src/native/engine.js';
import { mutateBytes, mutateJson, stream } from '../support/mutate.js';
import { tinyGguf } from '../unit/model/buildGguf.js';
import { writeHf } from '../unit/model/buildHf.js';

/** Damaged files in all: a few hundred in `npm test`, 100,000 in `npm run test:fuzz`. */
const TIMES = Number(process.env.FEDTUNE_FUZZ ?? (process.env.npm_lifecycle_event === 'test:fuzz' ? 100_000 : 1200));
const SEED = Number(process.env.FEDTUNE_FUZZ_SEED ?? 1);
const TINY = fileURLToPath(new URL('../../datasets/base/tiny.gguf', import.meta.url));

const root = mkdtempSync(join(tmpdir(), 'fedtune-fuzz-'));
const embedded = await loadModel('embedded');
const adapter = makeAdapter();

function makeAdapter(): Adapter {
  const layout = layoutFor(embedded.description, { rank: 2, alpha: 4 });
  return { layout, values: initialValues(layout, 1), mask: null };
}

/** A base that its readers let through goes into the engine: there too it works or gives a typed error. */
async function openBase(path: string): Promise<void> {
  const { description, tokenizer } = await loadModel(path);
  tokenizer.encode('a b</s>', { special: true });
  using base = new Base({ description, precision: description.numLayers % 2 ? 'f32' : 'int8' });
  using trainer = new Trainer({ base, modules: [{ module: 'blk.0.attn_q', rank: 2, scale: 1 }] });
  trainer.evaluate({ tokens: Int32Array.of(1, 2, 3), lossMask: Uint8Array.of(0, 1, 1), lengths: Int32Array.of(3) });
}

interface Target {
  readonly name: string;
  /** Share of the damaged files. */
  readonly share: number;
  /** The file that is damaged. */
  readonly file: string;
  readonly read: () => Promise<unknown>;
  /** Bytes of the file that are damaged: all before the values of tensors. */
  readonly headerBytes?: number;
}

async function targets(): Promise<Target[]> {
  const gguf = join(root, 'tiny.gguf');
  const small = tinyGguf({ layers: 2 });
  writeFileSync(gguf, small.bytes);
  const real = join(root, 'real.gguf');
  writeFileSync(real, readFileSync(TINY));
  const hf = writeHf(join(root, 'hf'), { settings: { bos_token: '<s>', chat_template: '{{ messages }}' } });
  const peft = join(root, 'peft');
  mkdirSync(peft);
  await writePeftAdapter(peft, { ...adapter, mask: new Uint8Array(adapter.layout.size).fill(1) }, embedded);
  const lora = join(root, 'lora.gguf');
  await writeGgufAdapter(lora, adapter, embedded);
  const config = JSON.parse(readFileSync(join(peft, 'adapter_config.json'), 'utf8'));
  const patterns = { '(q|k)_proj': 8, '.*down_proj': 2, 'layers.1.mlp.up_proj': 3 };
  writeFileSync(join(peft, 'adapter_config.json'), JSON.stringify({ ...config, alpha_pattern: patterns }));
  const ofHf = (name: string, share: number): Target => ({
    name: `hf/${name}`,
    share,
    file: join(hf, name),
    read: () => openBase(hf),
  });
  const ofPeft = (name: string, share: number): Target => ({
    name: `peft/${name}`,
    share,
    file: join(peft, name),
    read: () => readPeftAdapter(peft, embedded),
  });
  const firstTensor = Math.min(...embedded.description.tensors.map(({ offset }) => offset));
  return [
    { name: 'gguf, small', share: 0.3, file: gguf, read: () => openBase(gguf), headerBytes: small.headerBytes },
    { name: 'gguf, the embedded base', share: 0.1, file: real, read: () => openBase(real), headerBytes: firstTensor },
    { name: 'gguf lora', share: 0.1, file: lora, read: () => readGgufAdapter(lora, embedded) },
    ofHf('model.safetensors', 0.2),
    ofHf('config.json', 0.1),
    ofHf('tokenizer.json', 0.05),
    ofHf('tokenizer_config.json', 0.02),
    ofPeft('adapter_model.safetensors', 0.05),
    ofPeft('adapter_mask.safetensors', 0.03),
    ofPeft('adapter_config.json', 0.05),
  ];
}

/** Values of tensors are left out of what is written each time: the file is as long as before, and zero there. */
function write(path: string, damaged: Buffer, whole: Buffer, headerBytes: number): void {
  writeFileSync(path, damaged);
  if (headerBytes < whole.length && damaged.length >= headerBytes - 64) truncateSync(path, whole.length);
}

/** Bytes of any file; values and keys of JSON, and of the JSON inside a safetensors file, whose length then fits. */
function damage(path: string, header: Buffer, random: (limit: number) => number): Buffer {
  if (path.endsWith('.json')) return Buffer.from(mutateJson(header.toString('utf8'), random));
  if (!path.endsWith('.safetensors') || random(2) === 0) return mutateBytes(header, random);
  const json = Buffer.from(mutateJson(header.toString('utf8', 8), random));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([length, json]);
}

function lengthOfHeader(path: string, bytes: Buffer): number {
  if (path.endsWith('.json')) return bytes.length;
  if (path.endsWith('.safetensors')) return 8 + Number(bytes.readBigUInt64LE(0));
  return Math.min(bytes.length, 4096);
}

const outcomes = new Map<string, Map<string, number>>();
// What was on its way when a process died lies in the folder that this names; the seed does the rest again.
afterAll(() => {
  for (const [name, counts] of outcomes) {
    const sorted = [...counts].sort((a, b) => b[1] - a[1]);
    process.stdout.write(`${name}: ${sorted.map(([code, count]) => `${code} ${count}`).join(', ')}\n`);
  }
});

afterAll(() => {
  // Some damage is harmless, or this would test nothing of the engine.
  const loaded = ['gguf, small', 'hf/config.json', 'peft/adapter_config.json'];
  for (const name of loaded) expect(outcomes.get(name)?.get('loaded'), name).toBeGreaterThan(0);
});

describe(`damaged headers load or give a typed error (${TIMES} of seed ${SEED}, files in ${root})`, async () => {
  it.each(await targets())('$name', { timeout: 3_600_000 }, async ({ name, share, file, read, headerBytes }) => {
    const whole = readFileSync(file);
    const length = headerBytes ?? lengthOfHeader(file, whole);
    const random = stream(SEED * 1000 + name.length);
    const counts = new Map<string, number>();
    outcomes.set(name, counts);
    for (let i = 0; i < TIMES * share; i++) {
      const damaged = damage(file, whole.subarray(0, length), random);
      write(file, damaged, whole, length);
      const start = performance.now();
      const code = await read().then(
        () => 'loaded',
        (error: unknown) => {
          if (!(error instanceof FedtuneError)) {
            const kept = join(dirname(file), `failed-${i}-${basename(file)}`);
            writeFileSync(kept, damaged);
            throw new Error(`damage ${i} of seed ${SEED} to ${name}, kept at ${kept}`, { cause: error });
          }
          return error.code;
        },
      );
      expect(performance.now() - start, `damage ${i} took long`).toBeLessThan(20_000);
      counts.set(code, (counts.get(code) ?? 0) + 1);
    }
    writeFileSync(file, whole);
    // The damage is varied: no single check stops all of it.
    expect(counts.size).toBeGreaterThanOrEqual(2);
  });
});
