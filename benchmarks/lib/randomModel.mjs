import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { CACHE, library } from './paths.mjs';
import { makeRandom } from './random.mjs';
import { SHAPES } from './shapes.mjs';

const F32 = 0;
const Q8_0 = 8;
/** Standard deviation of the weights, as models are usually initialised. */
const DEVIATION = 0.02;

const ROPE_FREQS = 'rope_freqs.weight';

const GGUF = { uint32: 4, int32: 5, float32: 6, bool: 7, string: 8, array: 9 };

function tensorShapes(shape) {
  const { hiddenSize: h, ffnSize: f, numHeads, numKvHeads, headDim, vocabSize } = shape;
  const [q, kv] = [numHeads * headDim, numKvHeads * headDim];
  const list = [
    ['token_embd.weight', [h, vocabSize]],
    ['output_norm.weight', [h]],
  ];
  if (!shape.tied) list.push(['output.weight', [h, vocabSize]]);
  if (shape.ropeScaling) list.push([ROPE_FREQS, [headDim / 2]]);
  for (let layer = 0; layer < shape.numLayers; layer++) {
    const add = (name, ...ne) => list.push([`blk.${layer}.${name}`, ne]);
    add('attn_norm.weight', h);
    add('attn_q.weight', h, q);
    add('attn_k.weight', h, kv);
    add('attn_v.weight', h, kv);
    add('attn_output.weight', q, h);
    if (shape.architecture === 'qwen3') {
      add('attn_q_norm.weight', headDim);
      add('attn_k_norm.weight', headDim);
    }
    add('ffn_norm.weight', h);
    add('ffn_gate.weight', h, f);
    add('ffn_up.weight', h, f);
    add('ffn_down.weight', f, h);
    if (shape.architecture === 'qwen2') {
      add('attn_q.bias', q);
      add('attn_k.bias', kv);
      add('attn_v.bias', kv);
    }
  }
  return list;
}

/** Blocks of 32 bytes in [-127, 127] behind one scale, so that the values have the deviation wanted. */
function randomQ8(count, random) {
  const bytes = new Uint8Array((count / 32) * 34);
  // Uniform whole numbers in [-127, 127] have deviation 73.6; 0.02 / 73.6 as an IEEE half is 0x0c74.
  const [low, high] = [0x74, 0x0c];
  const words = new Int32Array(8);
  const quants = new Int8Array(words.buffer);
  for (let at = 0; at < bytes.length; at += 34) {
    bytes[at] = low;
    bytes[at + 1] = high;
    for (let i = 0; i < 8; i++) words[i] = random.next();
    for (let i = 0; i < 32; i++) if (quants[i] === -128) quants[i] = 127;
    bytes.set(quants, at + 2);
  }
  return bytes;
}

function randomFloats(count, random, deviation, mean = 0) {
  const values = new Float32Array(count);
  for (let i = 0; i < count; i++) values[i] = mean + random.signed() * deviation * Math.sqrt(3);
  return new Uint8Array(values.buffer);
}

/** llama 3's divisors of the frequencies: none where waves are short, `factor` where they are long, mixed between. */
function ropeFreqs({ headDim, ropeTheta, ropeScaling }) {
  const { factor, lowFreqFactor: low, highFreqFactor: high, originalContext } = ropeScaling;
  const factors = Array.from({ length: headDim / 2 }, (_, i) => {
    const turns = originalContext / (2 * Math.PI * ropeTheta ** ((2 * i) / headDim));
    const smooth = Math.min(1, Math.max(0, (turns - low) / (high - low)));
    return 1 / ((1 - smooth) / factor + smooth);
  });
  return new Uint8Array(Float32Array.from(factors).buffer);
}

/** A SentencePiece vocabulary that encodes any text byte by byte. */
function tokenizerKeys(vocabSize) {
  const tokens = ['<unk>', '<s>', '</s>'];
  for (let byte = 0; byte < 256; byte++) tokens.push(`<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`);
  while (tokens.length < vocabSize) tokens.push(`▁w${tokens.length}`);
  const types = tokens.map((_, id) => (id === 0 ? 2 : id < 3 ? 3 : id < 259 ? 6 : 1));
  return {
    'tokenizer.ggml.model': { type: GGUF.string, value: 'llama' },
    'tokenizer.ggml.tokens': { type: GGUF.array, subType: GGUF.string, value: tokens },
    'tokenizer.ggml.scores': { type: GGUF.array, subType: GGUF.float32, value: tokens.map((_, id) => -id) },
    'tokenizer.ggml.token_type': { type: GGUF.array, subType: GGUF.int32, value: types },
    'tokenizer.ggml.bos_token_id': { type: GGUF.uint32, value: 1 },
    'tokenizer.ggml.eos_token_id': { type: GGUF.uint32, value: 2 },
    'tokenizer.ggml.unknown_token_id': { type: GGUF.uint32, value: 0 },
  };
}

function keysOf(name, shape) {
  const arch = shape.architecture;
  const uint = (value) => ({ type: GGUF.uint32, value });
  const float = (value) => ({ type: GGUF.float32, value });
  return {
    'general.architecture': { type: GGUF.string, value: arch },
    'general.name': { type: GGUF.string, value: `${name}, random weights` },
    [`${arch}.context_length`]: uint(shape.contextLength),
    [`${arch}.embedding_length`]: uint(shape.hiddenSize),
    [`${arch}.block_count`]: uint(shape.numLayers),
    [`${arch}.feed_forward_length`]: uint(shape.ffnSize),
    [`${arch}.attention.head_count`]: uint(shape.numHeads),
    [`${arch}.attention.head_count_kv`]: uint(shape.numKvHeads),
    [`${arch}.rope.dimension_count`]: uint(shape.headDim),
    [`${arch}.attention.key_length`]: uint(shape.headDim),
    [`${arch}.attention.value_length`]: uint(shape.headDim),
    [`${arch}.rope.freq_base`]: float(shape.ropeTheta),
    [`${arch}.attention.layer_norm_rms_epsilon`]: float(shape.normEps),
    [`${arch}.vocab_size`]: uint(shape.vocabSize),
    ...tokenizerKeys(shape.vocabSize),
  };
}

function randomTensor([name, ne], index, seed, floats, shape) {
  const count = ne.reduce((product, n) => product * n, 1);
  const quantised = ne.length === 2 && !floats;
  const [deviation, mean] = name.includes('norm') ? [0.1, 1] : [floats ? 3 * DEVIATION : DEVIATION, 0];
  return {
    name,
    ne,
    type: quantised ? Q8_0 : F32,
    bytes: quantised ? (count / 32) * 34 : count * 4,
    data: () => {
      if (name === ROPE_FREQS) return ropeFreqs(shape);
      const random = makeRandom(seed + index);
      return quantised ? randomQ8(count, random) : randomFloats(count, random, deviation, mean);
    },
  };
}

/**
 * Path of a GGUF file of that shape with seeded random weights; made on the first call, kept in the cache. Matrices are Q8_0, or
 * F32 where `floats`.
 */
export async function randomModel(name, { seed = 1, floats = false } = {}) {
  const path = join(CACHE, `${name}${floats ? '-f32' : ''}-seed${seed}.gguf`);
  if (existsSync(path)) return path;
  const { writeGguf } = await library('export/ggufFile.js');
  const shape = SHAPES[name];
  const tensors = tensorShapes(shape).map((entry, index) => randomTensor(entry, index, seed * 100_000, floats, shape));
  await writeGguf(path, keysOf(name, shape), tensors);
  return path;
}
