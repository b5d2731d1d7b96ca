import type { Llama, LlamaContext, LlamaModel, Token } from 'node-llama-cpp';
import { ConfigError, FedtuneError } from '../errors.js';
import type { BaseModel } from '../model/index.js';
import { platform } from '../platform.js';

/** The one whose ggml the engine is made for: two of them in one process would be taken for one. */
const LLAMA_CPP_VERSION = '3.21.1';

export interface AnswerOptions {
  /** Token ids of the prompt. */
  readonly prompt: readonly number[];
  readonly maxTokens: number;
  /** 0: the likeliest token each time. @default 0 */
  readonly temperature?: number | undefined;
  /** Of what is drawn, where the temperature is above 0. */
  readonly seed?: number | undefined;
  /** Gets the answer piece by piece while it is written. */
  readonly onText?: ((piece: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface ContextOptions {
  /** GGUF LoRA to answer with; null: the base alone. */
  readonly lora: string | null;
  /** Tokens of prompt and answer together. */
  readonly contextSize: number;
  /** @default 1 */
  readonly threads?: number;
}

export interface AnswersOptions extends Pick<ContextOptions, 'lora' | 'threads'> {
  /** Token ids. */
  readonly prompts: readonly (readonly number[])[];
  readonly maxTokens: number;
  readonly signal?: AbortSignal | undefined;
  /** Gets the number of answers so far. */
  readonly onAnswer?: ((done: number) => void) | undefined;
}

/** Answers that are written at a time: more take more memory, and give little more speed. */
const AT_A_TIME = 8;

/** The GGUF file of a base that llama.cpp answers with; `given` where the base is a folder. Throws ConfigError. */
export function llamaCppFile({ format, path }: Pick<BaseModel, 'format' | 'path'>, given: string | undefined): string {
  if (given !== undefined) return given;
  if (format === 'gguf') return path;
  throw new ConfigError(
    `llama.cpp reads GGUF files but this base is the folder ${path}. Name a GGUF file of the same base by --gguf.`,
  );
}

async function orLlamaError<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof FedtuneError) throw cause;
    throw new FedtuneError(
      'LLAMA_CPP',
      `Expected llama.cpp to answer but node-llama-cpp says: ${(cause as Error).message}`,
      { cause },
    );
  }
}

/**
 * node-llama-cpp, which people who only train need not have: with its builds for graphics cards it is ten times fedtune. Loaded when it is
 * asked for, as it opens shared libraries. Throws FedtuneError LLAMA_CPP_MISSING.
 */
async function importLlamaCpp(): Promise<typeof import('node-llama-cpp')> {
  try {
    return await import('node-llama-cpp');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw cause;
    if (platform.endsWith('-musl')) throw noBuild(cause);
    throw new FedtuneError(
      'LLAMA_CPP_MISSING',
      `Answers are written by llama.cpp, whose package is not installed: npm install node-llama-cpp@${LLAMA_CPP_VERSION}`,
      { cause },
    );
  }
}

function noBuild(cause: unknown): FedtuneError {
  return new FedtuneError(
    'LLAMA_CPP_MISSING',
    `Answers are written by llama.cpp, of which node-llama-cpp brings no build for ${platform}. Nothing else needs it. "fedtune export --format gguf" writes an adapter for a llama.cpp of your own; answers here want Linux with glibc (Debian, Ubuntu), macOS or Windows.`,
    { cause },
  );
}

/** The library, on the CPU, as it comes in the package or was compiled in it. Throws FedtuneError LLAMA_CPP_MISSING. */
async function openLlama(): Promise<Llama> {
  const { getLlama, LlamaLogLevel, NoBinaryFoundError } = await importLlamaCpp();
  try {
    return await getLlama({
      gpu: false,
      build: 'never',
      skipDownload: true,
      progressLogs: false,
      logLevel: LlamaLogLevel.error,
    });
  } catch (cause) {
    if (!(cause instanceof NoBinaryFoundError)) throw cause;
    throw noBuild(cause);
  }
}

/** Loads llama.cpp and lets it go. Throws FedtuneError LLAMA_CPP_MISSING, LLAMA_CPP. */
export function tryLlamaCpp(): Promise<void> {
  return orLlamaError(async () => (await openLlama()).dispose());
}

/** The base in llama.cpp, alone or with one adapter. */
export interface Speaker {
  /** What is written after a prompt, up to the end token or `maxTokens`. Throws FedtuneError LLAMA_CPP. */
  answer(options: AnswerOptions): Promise<string>;
  dispose(): Promise<void>;
}

/** Not a class: the types of node-llama-cpp do not compile in every project, so none of ours shows them. */
function speakerOf(model: LlamaModel, context: LlamaContext): Speaker {
  const sequence = context.getSequence();

  async function answer({ prompt, maxTokens, temperature = 0, seed, onText, signal }: AnswerOptions): Promise<string> {
    await sequence.clearHistory();
    const tokens: Token[] = [];
    let shown = '';
    const options = { temperature, ...(seed === undefined ? {} : { seed }) };
    // Ends by itself at an end token.
    for await (const token of sequence.evaluate(prompt as Token[], options)) {
      tokens.push(token);
      const text = onText ? model.detokenize(tokens) : '';
      // A letter of several tokens is shown once it is whole.
      if (onText && !text.endsWith('\ufffd')) {
        onText(text.slice(shown.length));
        shown = text;
      }
      if (tokens.length === maxTokens || signal?.aborted) break;
    }
    const text = model.detokenize(tokens);
    if (text.length > shown.length) onText?.(text.slice(shown.length));
    return text;
  }

  return { answer: (options) => orLlamaError(() => answer(options)), dispose: () => context.dispose() };
}

/** A GGUF base in llama.cpp (through node-llama-cpp, on the CPU). */
export class LlamaCpp {
  readonly #llama: Llama;
  readonly #model: LlamaModel;

  private constructor(llama: Llama, model: LlamaModel) {
    this.#llama = llama;
    this.#model = model;
  }

  /** Throws FedtuneError LLAMA_CPP where it cannot be loaded or refuses the file, LLAMA_CPP_MISSING where it is not installed. */
  static open(modelPath: string): Promise<LlamaCpp> {
    return orLlamaError(async () => {
      const llama = await openLlama();
      try {
        return new LlamaCpp(llama, await llama.loadModel({ modelPath, gpuLayers: 0 }));
      } catch (error) {
        await llama.dispose();
        throw error;
      }
    });
  }

  /** Speakers that llama.cpp works for in one batch; one is disposed with all of them. Throws FedtuneError LLAMA_CPP. */
  #speakers(count: number, { lora, contextSize, threads = 1 }: ContextOptions): Promise<Speaker[]> {
    return orLlamaError(async () => {
      const how = { contextSize, threads, sequences: count, ...(lora === null ? {} : { lora }) };
      const context = await this.#model.createContext(how);
      return Array.from({ length: count }, () => speakerOf(this.#model, context));
    });
  }

  /** Throws FedtuneError LLAMA_CPP. */
  async speaker(options: ContextOptions): Promise<Speaker> {
    return (await this.#speakers(1, options))[0]!;
  }

  /** The likeliest answer to each prompt, some of them written at a time. Throws FedtuneError LLAMA_CPP. */
  async answers({ lora, prompts, maxTokens, threads = 1, signal, onAnswer }: AnswersOptions): Promise<string[]> {
    const longest = prompts.reduce((most, { length }) => Math.max(most, length), 0);
    const count = Math.max(1, Math.min(AT_A_TIME, prompts.length));
    const speakers = await this.#speakers(count, { lora, contextSize: longest + maxTokens, threads });
    const texts: string[] = [];
    let next = 0;
    let done = 0;
    const work = async (speaker: Speaker): Promise<void> => {
      for (let i = next++; i < prompts.length && !signal?.aborted; i = next++) {
        texts[i] = await speaker.answer({ prompt: prompts[i]!, maxTokens, signal });
        onAnswer?.(++done);
      }
    };
    try {
      await Promise.all(speakers.map(work));
    } finally {
      await speakers[0]!.dispose();
    }
    return texts;
  }

  dispose(): Promise<void> {
    return this.#llama.dispose();
  }
}

export interface LlamaCppParams {
  /** GGUF file of the base. */
  readonly modelPath: string;
  /** GGUF LoRAs to answer with, one after the other; null: the base alone. */
  readonly adapters: readonly (string | null)[];
  /** Token ids of the prompt. */
  readonly prompt: readonly number[];
  readonly maxTokens: number;
}

/**
 * What llama.cpp writes after a prompt, taking the likeliest token each time: one text an adapter, up to the end token. Throws
 * FedtuneError LLAMA_CPP where it cannot be loaded or refuses a file.
 */
export async function llamaCppAnswers({ modelPath, adapters, prompt, maxTokens }: LlamaCppParams): Promise<string[]> {
  const llama = await LlamaCpp.open(modelPath);
  try {
    const texts: string[] = [];
    for (const lora of adapters) {
      const speaker = await llama.speaker({ lora, contextSize: prompt.length + maxTokens });
      texts.push(await speaker.answer({ prompt, maxTokens }));
      await speaker.dispose();
    }
    return texts;
  } finally {
    await llama.dispose();
  }
}
