import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Adapter } from '../adapter/layout.js';
import { AdapterError } from '../errors.js';
import { makeFolder } from '../files.js';
import { encodeSafetensors, type TensorValues } from '../safetensors/index.js';
import { checkFits, factors } from './modules.js';
import { hfModuleName, makePeftConfig, type PeftOptions } from './peftConfig.js';
import { reorderB } from './permute.js';
import type { ExportModel } from './types.js';
import { writeVerified } from './writeVerified.js';

export const PEFT_CONFIG = 'adapter_config.json';
export const PEFT_WEIGHTS = 'adapter_model.safetensors';
/** Ours: which entries an owner's pruned adapter keeps (1) or not (0); other programs ignore it. */
export const PEFT_MASK = 'adapter_mask.safetensors';

/** Name of one factor in PEFT's files. */
export function peftTensorName(module: Parameters<typeof hfModuleName>[0], factor: 'A' | 'B'): string {
  return `base_model.model.${hfModuleName(module)}.lora_${factor}.weight`;
}

/** A and B of every module with a rank, in Hugging Face's row order. */
function peftTensors(adapter: Adapter, values: Float32Array | Uint8Array, model: ExportModel): TensorValues[] {
  return adapter.layout.modules.flatMap((module) => {
    const { a, b } = factors(values, module);
    return [
      { name: peftTensorName(module, 'A'), shape: [module.rank, module.inDim], values: a },
      {
        name: peftTensorName(module, 'B'),
        shape: [module.outDim, module.rank],
        values: reorderB(b, module, model, 'hf'),
      },
    ];
  });
}

const writeChecked = (path: string, bytes: Uint8Array): Promise<void> => writeVerified(path, [bytes], AdapterError);

/**
 * Writes a folder that `peft.PeftModel.from_pretrained` opens: adapter_config.json and adapter_model.safetensors, and
 * adapter_mask.safetensors where the adapter is pruned. Rows of q and k are put into Hugging Face's order; the scale of
 * every module is kept through rank_pattern and alpha_pattern. Equal adapters give equal bytes.
 *
 * Throws AdapterError BAD_SHAPE, BAD_SCALE, NON_FINITE, UNKNOWN_MODULE, EMPTY, WRITE_FAILED.
 */
export async function writePeftAdapter(
  dir: string,
  adapter: Adapter,
  model: ExportModel,
  options: PeftOptions = {},
): Promise<void> {
  checkFits(adapter, model.description);
  const config = makePeftConfig(adapter.layout, model, options);
  await makeFolder(dir);
  await writeChecked(join(dir, PEFT_WEIGHTS), encodeSafetensors(peftTensors(adapter, adapter.values, model)));
  if (adapter.mask === null) await rm(join(dir, PEFT_MASK), { force: true });
  else await writeChecked(join(dir, PEFT_MASK), encodeSafetensors(peftTensors(adapter, adapter.mask, model)));
  await writeChecked(join(dir, PEFT_CONFIG), Buffer.from(`${JSON.stringify(config, null, 2)}\n`));
}
