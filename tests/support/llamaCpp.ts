import { getLlama, type Llama, type Token } from 'node-llama-cpp';

let llama: Promise<Llama> | undefined;

/** The prebuilt llama.cpp of node-llama-cpp on the CPU. */
function prebuilt(): Promise<Llama> {
  llama ??= getLlama({
    gpu: false,
    build: 'never',
    skipDownload: true,
    progressLogs: false,
    logLevel: 'error' as never,
  });
  return llama;
}

/**
 * NLL of every token given those before it (0 for the first of a sequence), sequences one after the other, as llama.cpp
 * computes it; with a GGUF LoRA where one is named.
 */
export async function llamaCppLosses(
  modelPath: string,
  loraPath: string | undefined,
  sequences: readonly (readonly number[])[],
): Promise<number[]> {
  const model = await (await prebuilt()).loadModel({ modelPath, gpuLayers: 0 });
  const contextSize = Math.max(...sequences.map(({ length }) => length)) + 1;
  const lora = loraPath === undefined ? {} : { lora: loraPath };
  const context = await model.createContext({ contextSize, batchSize: contextSize, threads: 1, ...lora });
  try {
    const sequence = context.getSequence();
    const losses: number[] = [];
    for (const tokens of sequences) {
      await sequence.clearHistory();
      const results = await sequence.controlledEvaluate(
        tokens.map((token) => [token as Token, { generateNext: { probabilities: true } }]),
      );
      losses.push(0);
      for (let i = 0; i + 1 < tokens.length; i++) {
        losses.push(-Math.log(results[i]!.next.probabilities!.get(tokens[i + 1] as Token)!));
      }
    }
    return losses;
  } finally {
    await context.dispose();
    await model.dispose();
  }
}
