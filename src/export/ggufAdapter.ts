import { open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type Adapter, type LayoutModule, parseTarget } from '../adapter/layout.js';
import { AdapterError } from '../errors.js';
import { makeFolder } from '../files.js';
import { readGgufHeader } from '../model/gguf/header.js';
import { GgufMetadata } from '../model/gguf/metadata.js';
import { GGML_F32 } from '../model/gguf/types.js';
import type { TensorSource } from '../native/binding.js';
import { type GgufTensor, ggufFloat32, ggufString, writeGguf } from './ggufFile.js';
import { fromGgufName, toGgufName } from './ggufNames.js';
import { assemble, checkFits, factors, type ModuleFactors, mostCommon } from './modules.js';
import { reorderB } from './permute.js';
import type { ExportModel } from './types.js';

const asBytes = (values: Float32Array): Uint8Array =>
  new Uint8Array(values.buffer, values.byteOffset, values.byteLength);

/** llama.cpp computes alpha / rank of the tensor; what is missing from this module's own scale goes into B. */
function scaledB(b: Float32Array, { rank, scale }: LayoutModule, alpha: number): Float32Array {
  const factor = (scale * rank) / alpha;
  return Math.abs(factor - 1) < 1e-12 ? b : b.map((value) => value * factor);
}

function tensorsOf(adapter: Adapter, model: ExportModel, alpha: number): GgufTensor[] {
  return adapter.layout.modules.flatMap((module) => {
    const { a, b } = factors(adapter.values, module);
    const values = { lora_a: a, lora_b: scaledB(reorderB(b, module, model, 'gguf'), module, alpha) };
    const shapes = { lora_a: [module.inDim, module.rank], lora_b: [module.rank, module.outDim] };
    return (['lora_a', 'lora_b'] as const).map((factor) => ({
      name: `${toGgufName(module.module)}.weight.${factor}`,
      ne: shapes[factor],
      type: GGML_F32,
      bytes: values[factor].byteLength,
      data: () => asBytes(values[factor]),
    }));
  });
}

/**
 * Writes a GGUF LoRA that llama.cpp and node-llama-cpp load beside the base. Its alpha is the one most modules have;
 * other scales are folded into B. Equal adapters give equal bytes.
 *
 * Throws AdapterError BAD_SHAPE, BAD_SCALE, NON_FINITE, UNKNOWN_MODULE, EMPTY; ModelError WRITE_FAILED.
 */
export async function writeGgufAdapter(file: string, adapter: Adapter, model: ExportModel): Promise<void> {
  checkFits(adapter, model.description);
  const { modules } = adapter.layout;
  if (modules.length === 0)
    throw new AdapterError('EMPTY', 'Expected an adapter with at least one module but it has none.');
  const common = mostCommon(modules, ({ rank, scale }) => `${rank * scale}`);
  // Rounded to what the file can hold, so that the folding below works with the number llama.cpp will read.
  const alpha = Math.fround(common.rank * common.scale);
  const keys = {
    'general.type': ggufString('adapter'),
    'general.architecture': ggufString(model.description.architecture),
    'general.name': ggufString(`LoRA for ${model.name}`),
    'adapter.type': ggufString('lora'),
    'adapter.lora.alpha': ggufFloat32(alpha),
  };
  await makeFolder(dirname(file));
  await writeGguf(file, keys, tensorsOf(adapter, model, alpha));
}

async function readTensor(path: string, tensor: TensorSource): Promise<Float32Array> {
  if (tensor.type !== GGML_F32) {
    throw new AdapterError(
      'UNSUPPORTED_TYPE',
      `Expected F32 values for ${tensor.name} of ${path} but it has ggml type ${tensor.type}.`,
    );
  }
  const handle = await open(path, 'r');
  try {
    const values = new Float32Array(tensor.bytes / 4);
    await handle.read(asBytes(values), 0, tensor.bytes, tensor.offset);
    return values;
  } finally {
    await handle.close();
  }
}

/**
 * Reads a GGUF LoRA in F32 back into the row order of the base file. Every module has scale alpha / rank.
 *
 * Throws AdapterError NOT_A_LORA, UNSUPPORTED_TYPE, BAD_SHAPE, UNKNOWN_MODULE, NON_FINITE; ModelError for a bad file.
 */
export async function readGgufAdapter(file: string, model: ExportModel): Promise<Adapter> {
  const header = await readGgufHeader(file);
  const meta = new GgufMetadata(header);
  const kind = [meta.string('general.type'), meta.string('adapter.type'), meta.string('general.architecture')];
  const alpha = meta.number('adapter.lora.alpha');
  if (kind.join(' ') !== `adapter lora ${model.description.architecture}` || alpha === undefined) {
    throw new AdapterError(
      'NOT_A_LORA',
      `Expected a LoRA adapter for ${model.description.architecture} at ${file} but it is "${kind.join(' ')}".`,
    );
  }
  const byName = new Map(header.tensors.map((tensor) => [tensor.name, tensor]));
  const parts: ModuleFactors[] = [];
  for (const a of header.tensors.filter(({ name }) => name.endsWith('.lora_a'))) {
    const b = byName.get(a.name.replace(/a$/, 'b'));
    const match = /^blk\.(\d+)\.(\w+)\.weight\.lora_a$/.exec(a.name);
    if (b === undefined || match === null)
      throw new AdapterError('BAD_SHAPE', `${file} has "${a.name}" without its B.`);
    const named = fromGgufName(match[2]!, model.description);
    const module = { layer: Number(match[1]), target: parseTarget(named), rank: a.ne[1] ?? 1 };
    const values = reorderB(await readTensor(file, b), module, model, 'gguf', true);
    parts.push({ ...module, scale: alpha / module.rank, a: await readTensor(file, a), b: values });
  }
  const adapter = assemble(parts, model.description);
  checkFits(adapter, model.description);
  return adapter;
}
