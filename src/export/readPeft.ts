import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Adapter, HF_NAMES, TARGETS, type Target } from '../adapter/layout.js';
import { AdapterError } from '../errors.js';
import { assemble, checkAdapter, type ModuleFactors } from './modules.js';
import { type PeftScales, readPeftConfig } from './peftConfig.js';
import { reorderB } from './permute.js';
import { decodeSafetensors, type SafeTensor } from './safetensors.js';
import type { ExportModel } from './types.js';
import { PEFT_CONFIG, PEFT_MASK, PEFT_WEIGHTS, peftTensorName } from './writePeft.js';

const TENSOR_NAME = /^base_model\.model\.model\.layers\.(\d+)\.(\w+\.\w+)\.lora_([AB])\.weight$/;

async function readIfThere(path: string): Promise<Uint8Array | undefined> {
  return readFile(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
}

async function readNeeded(path: string): Promise<Uint8Array> {
  const bytes = await readIfThere(path);
  if (bytes !== undefined) return bytes;
  throw new AdapterError('NOT_FOUND', `Expected a PEFT adapter but ${path} does not exist.`);
}

function parseJson(bytes: Uint8Array, path: string): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch (cause) {
    throw new AdapterError('BAD_CONFIG', `${path} is not JSON.`, { cause });
  }
}

/** The modules that a file has an A for; any tensor that is no LoRA factor of a known module is refused. */
function listModules(tensors: ReadonlyMap<string, SafeTensor>, path: string): { layer: number; target: Target }[] {
  const found: { layer: number; target: Target }[] = [];
  for (const name of tensors.keys()) {
    const match = TENSOR_NAME.exec(name);
    const target = TARGETS.find((candidate) => HF_NAMES[candidate] === match?.[2]);
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

function need(tensors: ReadonlyMap<string, SafeTensor>, name: string, path: string): SafeTensor {
  const tensor = tensors.get(name);
  if (tensor !== undefined) return tensor;
  throw new AdapterError('BAD_SHAPE', `${path} has no tensor "${name}".`);
}

function readModule(
  module: { layer: number; target: Target },
  tensors: ReadonlyMap<string, SafeTensor>,
  masks: ReadonlyMap<string, SafeTensor> | undefined,
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
 * Throws AdapterError NOT_FOUND, BAD_CONFIG, BAD_SAFETENSORS, BAD_SHAPE, UNKNOWN_MODULE, UNSUPPORTED_ADAPTER,
 * UNSUPPORTED_TYPE, NON_FINITE.
 */
export async function readPeftAdapter(dir: string, model: ExportModel): Promise<Adapter> {
  const configPath = join(dir, PEFT_CONFIG);
  const path = join(dir, PEFT_WEIGHTS);
  const scales = readPeftConfig(parseJson(await readNeeded(configPath), configPath), configPath);
  const tensors = decodeSafetensors(await readNeeded(path), path);
  const maskBytes = await readIfThere(join(dir, PEFT_MASK));
  const masks = maskBytes === undefined ? undefined : decodeSafetensors(maskBytes, join(dir, PEFT_MASK));
  const parts = listModules(tensors, path).map((module) => readModule(module, tensors, masks, scales, model, path));
  const adapter = assemble(parts, model.description);
  checkAdapter(adapter, model.description);
  return adapter;
}
