import { sum } from './stats.mjs';

/** In- and output dimension of the linear layers of one decoder layer; `first` ones read the layer's input. */
function linearLayers({ hiddenSize: h, ffnSize: f, numHeads, numKvHeads, headDim }) {
  const [q, kv] = [numHeads * headDim, numKvHeads * headDim];
  return [
    { inDim: h, outDim: q, first: true },
    { inDim: h, outDim: kv, first: true },
    { inDim: h, outDim: kv, first: true },
    { inDim: q, outDim: h },
    { inDim: h, outDim: f },
    { inDim: h, outDim: f },
    { inDim: f, outDim: h },
  ];
}

/**
 * Multiplications and additions that one training step needs with LoRA of one rank on all linear layers, whatever a program
 * recomputes or pads besides:
 *
 * - frozen linear: a token costs in x out forward and the same for the gradient of the input, which q, k and v of the lowest
 *   layer do not need (nothing below is trained);
 * - LoRA: rank x (in + out) forward, once more for dA and dB, once more for the gradient of the input;
 * - attention: T (T + 1) / 2 causal pairs of a sequence, heads x headDim each, two products forward and four backward;
 * - output matrix: vocabulary x hidden forward and backward, at target tokens only.
 *
 * `lengths`: tokens of each sequence; `targets`: target tokens of the step.
 */
export function stepOperations(shape, rank, { lengths, targets }) {
  const tokens = sum(lengths);
  const layers = linearLayers(shape);
  const inOut = sum(layers.map(({ inDim, outDim }) => inDim * outDim));
  const firstInOut = sum(layers.filter(({ first }) => first).map(({ inDim, outDim }) => inDim * outDim));
  const thin = rank * sum(layers.map(({ inDim, outDim }) => inDim + outDim));
  const firstThin = rank * sum(layers.filter(({ first }) => first).map(({ inDim }) => inDim));
  const pairs = sum(lengths.map((length) => (length * (length + 1)) / 2));
  const parts = {
    linear: 2 * tokens * (2 * shape.numLayers * inOut - firstInOut),
    lora: 2 * tokens * (3 * shape.numLayers * thin - firstThin),
    attention: 2 * 6 * shape.numLayers * pairs * shape.numHeads * shape.headDim,
    head: 2 * 2 * targets * shape.vocabSize * shape.hiddenSize,
  };
  return { ...parts, total: sum(Object.values(parts)) };
}
