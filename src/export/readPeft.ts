import { access, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Adapter, ALL_TARGETS, HF_NAMES, type Target } from '../adapter/layout.js';
import { AdapterError } from '../errors.js';
import { readSafetensors, type TensorValues } from '../safetensors/index.js';
import { assemble, checkFits, type ModuleFactors } from './modules.js';
import { type PeftScales, readPeftConfig } from './peftConfig.js';
import { reorderB } from './permute.js';
import type { ExportModel } from './types.js';
import { PEFT_CONFIG, PEFT_MASK, PEFT_WEIGHTS, peftTensorName } from './writePeft.js';

const TENSOR_NAME = /^base_model\.model\.model\.layers\.(\d+)\.(\w+\.\w+)\.lora_([AB])\.weight$/;

async function readConfig(path: string): Promise<unknown> {
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new AdapterError('NOT_FOUND', `Expected a PEFT adapter but ${path} cannot be read.`, { cause });
  });
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new AdapterError('BAD_CONFIG', `${path} is not JSON.`, { cause });
  }
}

/** The mask beside the weights; undefined where there is none. */
async function readMask(path: string): Promise<Map<string, TensorValues> | undefined> {
  const there = await access(path).then(
    () => true,
    () => false,
  );
  return there ? readSafetensors(path, AdapterError) : undefined;
}

/** The modules that a file has an A for; any tensor that is no LoRA factor of a known module is refused. */
function listModules(tensors: ReadonlyMap<string, TensorValues>, path: string): { layer: number; target: Target }[] {
  const found: { layer: number; target: Target }[] = [];
  for (const name of tensors.keys()) {
    const match = TENSOR_NAME.exec(name);
    const target = ALL_TARGETS.find((candidate) => HF_NAMES[candidate] === match?.[2]);
    if (match === null || target === undefined) {
      throw new AdapterError(
        'UNKNOWN_MODULE',
        `${path} has tensor "${name}", which is no LoRA factor of a linear layer.`,
      );
    }
    if (match[3] === 'A') found.push({ layer: Number(match[1]), target });
  }
  if (found.length * 2 !== tensors.size) {
    throw new AdapterError(
      'BAD_SHAPE',
      `Expected an A and a B for every module of ${path} but one of them is missing.`,
    );
  }
  return found;
}

function need(tensors: ReadonlyMap<string, TensorValues>, name: string, path: string): TensorValues {
  const tensor = tensors.get(name);
  if (tensor !== undefined) return tensor;
  throw new AdapterError('BAD_SHAPE', `${path} has no tensor "${name}".`);
}

function readModule(
  module: { layer: number; target: Target },
  tensors: ReadonlyMap<string, TensorValues>,
  masks: ReadonlyMap<string, TensorValues> | undefined,
  scales: PeftScales,
  model: ExportModel,
  path: string,
): ModuleFactors {
  const names = { a: peftTensorName(module, 'A'), b: peftTensorName(module, 'B') };
  const a = need(tensors, names.a, path);
  const b = need(tensors, names.b, path);
  const rank = a.shape[0] ?? 0;
  if (a.shape.length !== 2 || b.shape.length !== 2 || rank < 1 || b.shape[1] !== rank) {
    throw new AdapterError(
      'BAD_SHAPE',
      `Expected A (r, in) and B (out, r) for ${names.a} but found [${a.shape}] and [${b.shape}].`,
    );
  }
  const shaped = { ...module, rank };
  const part = { ...shaped, scale: scales.scale(module, rank), a: a.values as Float32Array };
  const inOrder = { ...part, b: reorderB(b.values as Float32Array, shaped, model, 'hf', true) };
  if (masks === undefined) return inOrder;
  const maskA = need(masks, names.a, path).values as Uint8Array;
  const maskB = need(masks, names.b, path).values as Uint8Array;
  return { ...inOrder, maskA, maskB: reorderB(maskB, shaped, model, 'hf', true) };
}

/**
 * Reads a PEFT LoRA folder into the row order of the base file, modules in canonical order. Ours (with the mask, where
 * one is beside it) and those of other programs: plain LoRA with rank and alpha patterns or rsLoRA, F32, F16 or BF16.
 *
 * Throws AdapterError NOT_FOUND, BAD_CONFIG, NOT_SAFETENSORS, TRUNCATED, BAD_HEADER, BAD_SHAPE, UNKNOWN_MODULE,
 * UNSUPPORTED_ADAPTER, UNSUPPORTED_TYPE, NON_FINITE.
 */
export async function readPeftAdapter(dir: string, model: ExportModel): Promise<Adapter> {
  const configPath = join(dir, PEFT_CONFIG);
  const path = join(dir, PEFT_WEIGHTS);
  const scales = readPeftConfig(await readConfig(configPath), configPath);
  const tensors = await readSafetensors(path, AdapterError);
  const masks = await readMask(join(dir, PEFT_MASK));
  const parts = listModules(tensors, path).map((module) => readModule(module, tensors, masks, scales, model, path));
  const adapter = assemble(parts, model.description);
  checkFits(adapter, model.description);
  return adapter;
}
