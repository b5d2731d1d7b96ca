import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { sameLayout } from '../../../src/adapter/layout.js';
import { AdapterError } from '../../../src/errors.js';
import { readPeftAdapter } from '../../../src/export/index.js';
import type { ExportModel } from '../../../src/export/types.js';
import { PEFT_CONFIG, PEFT_MASK, PEFT_WEIGHTS, writePeftAdapter } from '../../../src/export/writePeft.js';
import { encodeSafetensors, readSafetensors } from '../../../src/safetensors/index.js';
import { distance, makeAdapter, makeModel, SHAPE, temporaryFolder } from './fixtures.js';

let llama: ExportModel;
let qwen: ExportModel;
beforeAll(async () => {
  const folder = await temporaryFolder();
  llama = await makeModel(folder, 'llama');
  qwen = await makeModel(folder, 'qwen3');
});

const readConfig = async (dir: string) => JSON.parse(await readFile(join(dir, PEFT_CONFIG), 'utf8'));
const readTensors = async (dir: string) => readSafetensors(join(dir, PEFT_WEIGHTS), AdapterError);

describe('writePeftAdapter', () => {
  it('reads back bit-equal, with equal bytes for equal adapters', async () => {
    const adapter = makeAdapter(llama);
    const [one, two] = [await temporaryFolder(), await temporaryFolder()];
    await writePeftAdapter(one, adapter, llama);
    await writePeftAdapter(two, adapter, llama);
    const back = await readPeftAdapter(one, llama);
    expect(sameLayout(back.layout, adapter.layout)).toBe(true);
    expect(back.values).toEqual(adapter.values);
    expect(back.mask).toBeNull();
    for (const file of [PEFT_CONFIG, PEFT_WEIGHTS]) {
      expect(await readFile(join(one, file))).toEqual(await readFile(join(two, file)));
    }
    expect((await readdir(one)).sort()).toEqual([PEFT_CONFIG, PEFT_WEIGHTS]);
  });

  it('says one rank and alpha by their plain keys', async () => {
    const dir = await temporaryFolder();
    await writePeftAdapter(
      dir,
      makeAdapter(llama),
      { ...llama, hubId: 'owner/base' },
      { revision: 'main', loraDropout: 0.05 },
    );
    expect(await readConfig(dir)).toEqual({
      peft_type: 'LORA',
      task_type: 'CAUSAL_LM',
      base_model_name_or_path: 'owner/base',
      revision: 'main',
      inference_mode: true,
      r: 2,
      lora_alpha: 4,
      lora_dropout: 0.05,
      target_modules: ['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj'],
      bias: 'none',
      fan_in_fan_out: false,
      use_rslora: false,
      use_dora: false,
      init_lora_weights: true,
      modules_to_save: null,
      layers_to_transform: null,
      layers_pattern: null,
      rank_pattern: {},
      alpha_pattern: {},
    });
  });

  it('moves rows of B of q and k from interleaved pairs to halves, on llama only', async () => {
    for (const model of [llama, qwen]) {
      const adapter = makeAdapter(model);
      const dir = await temporaryFolder();
      await writePeftAdapter(dir, adapter, model);
      const tensors = await readTensors(dir);
      for (const [target, name] of [
        ['attn_q', 'q_proj'],
        ['attn_k', 'k_proj'],
        ['attn_v', 'v_proj'],
      ] as const) {
        const module = adapter.layout.modules.find((m) => m.layer === 1 && m.target === target)!;
        const b = tensors.get(`base_model.model.model.layers.1.self_attn.${name}.lora_B.weight`)!;
        expect(b.shape).toEqual([module.outDim, 2]);
        const moved = model === llama && target !== 'attn_v';
        // Row 3 of head 1 in a file with pairs (2, 3): the second of pair 1, which halves put at 4 + 1.
        const [from, to] = [SHAPE.headDim + 3, SHAPE.headDim + (moved ? 5 : 3)];
        const own = adapter.values.subarray(module.offsetB + from * 2, module.offsetB + from * 2 + 2);
        expect(b.values.subarray(to * 2, to * 2 + 2)).toEqual(own);
      }
    }
  });

  it('keeps the scale of every module through patterns when ranks are mixed', async () => {
    const rank = (layer: number, target: string) =>
      target === 'ffn_up' ? 5 : layer === 1 && target === 'attn_q' ? 3 : 2;
    const adapter = makeAdapter(llama, rank, (_, target) => (target === 'ffn_down' ? 0.7 : 2));
    const dir = await temporaryFolder();
    await writePeftAdapter(dir, adapter, llama);
    const config = await readConfig(dir);
    expect(config).toMatchObject({ r: 2, lora_alpha: 4 });
    expect(config.rank_pattern).toEqual({
      'model.layers.0.mlp.up_proj': 5,
      'model.layers.1.self_attn.q_proj': 3,
      'model.layers.1.mlp.up_proj': 5,
    });
    expect(config.alpha_pattern).toEqual({
      'model.layers.0.mlp.up_proj': 10,
      'model.layers.0.mlp.down_proj': 1.4,
      'model.layers.1.self_attn.q_proj': 6,
      'model.layers.1.mlp.up_proj': 10,
      'model.layers.1.mlp.down_proj': 1.4,
    });
    expect(distance(adapter, await readPeftAdapter(dir, llama))).toBe(0);
  });

  it('names modules in full where layers differ in their targets', async () => {
    const adapter = makeAdapter(llama, (layer, target) => (layer === 1 && target === 'attn_q' ? 2 : 0));
    const dir = await temporaryFolder();
    await writePeftAdapter(dir, adapter, llama);
    expect((await readConfig(dir)).target_modules).toEqual(['model.layers.1.self_attn.q_proj']);
    expect((await readPeftAdapter(dir, llama)).values).toEqual(adapter.values);
  });

  it('keeps the mask beside the weights, and takes an old one away', async () => {
    const plain = makeAdapter(llama);
    const mask = Uint8Array.from({ length: plain.layout.size }, (_, i) => (i % 3 === 0 ? 1 : 0));
    const adapter = { ...plain, mask, values: plain.values.map((value, i) => value * mask[i]!) };
    const dir = await temporaryFolder();
    await writePeftAdapter(dir, adapter, llama);
    const back = await readPeftAdapter(dir, llama);
    expect(back.mask).toEqual(mask);
    expect(back.values).toEqual(adapter.values);
    await writePeftAdapter(dir, plain, llama);
    expect(await readdir(dir)).not.toContain(PEFT_MASK);
  });

  it.each([
    ['NON_FINITE', () => ({ values: makeAdapter(llama).values.with(7, Number.NaN) })],
    ['BAD_SHAPE', () => ({ values: new Float32Array(3) })],
    ['BAD_SCALE', () => ({ layout: makeAdapter(llama, undefined, () => 0).layout })],
    ['EMPTY', () => ({ layout: { modules: [], size: 0 }, values: new Float32Array() })],
  ])('refuses with %s and writes nothing', async (code, change) => {
    const dir = await temporaryFolder();
    await expect(writePeftAdapter(dir, { ...makeAdapter(llama), ...change() }, llama)).rejects.toMatchObject({ code });
    expect(await readdir(dir)).toEqual([]);
  });
});

describe('readPeftAdapter', () => {
  async function written(change: (config: Record<string, unknown>) => void): Promise<string> {
    const dir = await temporaryFolder();
    await writePeftAdapter(dir, makeAdapter(llama), llama);
    const config = await readConfig(dir);
    change(config);
    await writeFile(join(dir, PEFT_CONFIG), JSON.stringify(config));
    return dir;
  }

  it('matches patterns like Python: a dot is any character, the first that matches counts, ends after a dot', async () => {
    const alphas = async (alpha_pattern: Record<string, unknown>) => {
      const dir = await written((config) => Object.assign(config, { alpha_pattern }));
      const { modules } = (await readPeftAdapter(dir, llama)).layout;
      return Object.fromEntries(modules.map(({ module, scale }) => [module, scale * 2]));
    };
    const alternatives = await alphas({ '(q|k)_proj': 8, 'layers\\.1\\.mlp\\..*': 6, '.*': 10 });
    expect(alternatives).toMatchObject({ 'blk.0.attn_q': 8, 'blk.1.attn_k': 8, 'blk.1.ffn_up': 6, 'blk.0.ffn_up': 10 });
    const dots = await alphas({
      'self.attn.v_proj': 8,
      ttn_q: 6,
      attn: 6,
      proj: 6,
      'layers.[01].self_attn.o_proj': 12,
    });
    expect(dots).toMatchObject({ 'blk.0.attn_v': 8, 'blk.0.attn_q': 4, 'blk.1.attn_output': 12 });
    const long = 'q_proj|'.repeat(80);
    expect(await alphas({ [`${long}k_proj`]: 8 })).toMatchObject({ 'blk.0.attn_k': 8, 'blk.0.attn_v': 4 });
  });

  it.each([
    ['no regular expression', { '(': 8 }],
    ['a look-ahead, which no linear-time engine has', { '(?=q)q_proj': 8 }],
    ['a back-reference', { '(q)\\1': 8 }],
    ['repetitions of repetitions', { '((a{1000}){1000}){1000}': 8 }],
    ['more of it than any adapter needs', { [`(${'x'.repeat(20_000)})`]: 8 }],
    ['a list', ['q_proj']],
    ['no number', { q_proj: '8' }],
    ['a negative number', { q_proj: -8 }],
  ])('refuses alpha_pattern that is %s', async (_, alpha_pattern) => {
    const dir = await written((config) => Object.assign(config, { alpha_pattern }));
    const error = await readPeftAdapter(dir, llama).catch((cause: unknown) => cause);
    expect(error).toBeInstanceOf(AdapterError);
    expect(error).toMatchObject({ code: 'BAD_CONFIG', message: expect.stringContaining(dir) });
  });

  it.each(['(a+)+$', '(.*)*x', '(.*a){25}', '(\\w+\\.?)+!', '(a|a)*b', '([a-z_.0-9]+)*Q'])(
    'takes no longer over %s, on which RegExp backtracks, than over a name',
    async (pattern) => {
      const dir = await written((config) => Object.assign(config, { alpha_pattern: { [pattern]: 8 } }));
      const start = performance.now();
      await readPeftAdapter(dir, llama);
      expect(performance.now() - start).toBeLessThan(2000);
    },
  );

  it('takes rsLoRA and patterns as PEFT does', async () => {
    const dir = await written((config) => {
      config.use_rslora = true;
      config.alpha_pattern = { '.*k_proj': 8, 'layers.0.self_attn.q_proj': 1 };
    });
    const { modules } = (await readPeftAdapter(dir, llama)).layout;
    const scale = (module: string) => modules.find((m) => m.module === module)!.scale;
    expect(scale('blk.0.attn_q')).toBeCloseTo(1 / Math.SQRT2, 12);
    expect(scale('blk.1.attn_q')).toBeCloseTo(4 / Math.SQRT2, 12);
    expect(scale('blk.1.attn_k')).toBeCloseTo(8 / Math.SQRT2, 12);
  });

  it.each([
    ['UNSUPPORTED_ADAPTER', { use_dora: true }],
    ['UNSUPPORTED_ADAPTER', { peft_type: 'IA3' }],
    ['UNSUPPORTED_ADAPTER', { bias: 'all' }],
    ['UNSUPPORTED_ADAPTER', { modules_to_save: ['lm_head'] }],
    ['BAD_CONFIG', { lora_alpha: 'four' }],
  ])('refuses with %s what is no plain LoRA: %o', async (code, change) => {
    const dir = await written((config) => Object.assign(config, change));
    await expect(readPeftAdapter(dir, llama)).rejects.toMatchObject({ code });
  });

  it('names what is damaged', async () => {
    const dir = await written(() => {});
    const path = join(dir, PEFT_WEIGHTS);
    const bytes = await readFile(path);
    const tensors = [...(await readSafetensors(path, AdapterError)).values()];
    const cases: [string, Uint8Array][] = [
      ['TRUNCATED', bytes.subarray(0, bytes.length - 5)],
      ['TRUNCATED', bytes.subarray(0, 6)],
      ['NOT_SAFETENSORS', new Uint8Array(100).fill(255)],
      ['BAD_SHAPE', encodeSafetensors(tensors.slice(1))],
      ['UNKNOWN_MODULE', encodeSafetensors([...tensors, { ...tensors[0]!, name: 'lm_head.weight' }])],
      ['BAD_SHAPE', encodeSafetensors([{ ...tensors[0]!, shape: [tensors[0]!.values.length] }, ...tensors.slice(1)])],
    ];
    for (const [code, content] of cases) {
      await writeFile(path, content);
      await expect(readPeftAdapter(dir, llama)).rejects.toMatchObject({ code });
    }
    await expect(readPeftAdapter(join(dir, 'absent'), llama)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });
});
