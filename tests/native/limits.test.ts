import { describe, expect, it } from 'vitest';
import { LIMITS } from '../../src/model/architecture.js';
import { loadModel } from '../../src/model/index.js';
import type { ModelDescription } from '../../src/native/binding.js';
import { Base } from '../../src/native/engine.js';

type Limited = keyof typeof LIMITS;

/** Keys of a description that each limit bounds, and what has to go with them so that nothing else is wrong. */
const DESCRIPTION: Readonly<Record<Limited, (value: number) => Partial<ModelDescription>>> = {
  layers: (numLayers) => ({ numLayers, layers: Array.from({ length: numLayers }, () => ({ rope: 0 })) }),
  hidden: (hiddenSize) => ({ hiddenSize }),
  ffn: (ffnSize) => ({ ffnSize }),
  heads: (numHeads) => ({ numHeads, numKvHeads: Math.max(numHeads, 1) }),
  headDim: (headDim) => ({ headDim, ropes: [{ theta: 10_000, dim: 2, pairing: 'half' }] }),
  vocab: (vocabSize) => ({ vocabSize }),
  context: (contextLength) => ({ contextLength }),
};

describe('limits of src/model are those of the engine', () => {
  /** BAD_MODEL is what the engine says of dimensions; within the limits it gets as far as the tensors, or loads. */
  async function opened(limited: Limited, value: number): Promise<string> {
    const { description } = await loadModel('embedded');
    const changed = { ...description, ...DESCRIPTION[limited](value) } as ModelDescription;
    try {
      new Base({ description: changed, precision: 'int8' }).dispose();
      return 'loaded';
    } catch (error) {
      return (error as { code: string }).code;
    }
  }

  it.each(Object.entries(LIMITS))('%s', async (name, { min, max }) => {
    const limited = name as Limited;
    expect(await opened(limited, max), `${name} = ${max}`).not.toBe('BAD_MODEL');
    expect(await opened(limited, max + 1), `${name} = ${max + 1}`).toBe('BAD_MODEL');
    expect(await opened(limited, min), `${name} = ${min}`).not.toBe('BAD_MODEL');
    expect(await opened(limited, min - 1), `${name} = ${min - 1}`).toBe('BAD_MODEL');
  });
});
