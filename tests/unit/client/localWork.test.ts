import { expect, it } from 'vitest';
import { makeLayout } from '../../../src/adapter/layout.js';
import { runTracks } from '../../../src/client/localWork.js';
import { parseConfig } from '../../../src/config/parse.js';
import { makeTrainPhase } from '../../../src/methods/schedule.js';
import type { NativeTrainer } from '../../../src/native/binding.js';

it('a phase may have more steps than a call has arguments', () => {
  const steps = 150_000;
  const layout = makeLayout([]);
  const nothing = () => {};
  const trainer = {
    ...{
      setValues: nothing,
      setTrainable: nothing,
      setAnchor: nothing,
      setGradientOffset: nothing,
      resetOptimizer: nothing,
    },
    getValues: () => new Float32Array(0),
    step: () => ({ loss: 1, gradNorm: 0, targets: 1, tokens: 2 }),
  } as unknown as NativeTrainer;
  const example = { id: 'a', tokens: Int32Array.of(1, 2), lossMask: Uint8Array.of(0, 1) };
  const phase = makeTrainPhase(parseConfig({ batch_size: 1 }), 1, 1, { steps });
  const [result] = runTracks(
    [{ name: 'main', adapter: { layout, values: new Float32Array(0), mask: null }, phases: [phase] }],
    {
      env: { trainer: () => trainer },
      examples: { count: 1, example: () => example },
      seed: 1,
    },
  );
  expect(result!.losses).toHaveLength(steps);
  expect(result!.tokens).toEqual({ train: 2 * steps, search: 0, targets: steps });
});
