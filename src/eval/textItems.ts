import { readFile, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { ConfigError, DataError } from '../errors.js';
import type { BaseModel } from '../model/index.js';
import type { Item } from './items.js';
import { rollingWindows, slidingWindows, type Window } from './windows.js';

/** How plain text is cut into windows. */
export interface WindowChoice {
  /** Tokens in a window. @default the context length of the base, at most 1024 */
  readonly window?: number | undefined;
  /** Tokens from one window to the next. @default half a window */
  readonly stride?: number | undefined;
  /** Windows as lm-evaluation-harness cuts them, behind a BOS (else EOS) token; `stride` is not used. @default false */
  readonly rolling?: boolean | undefined;
}

/** A document: its windows, and what its perplexity per byte and per word is divided by. */
export interface TextDocument {
  readonly name: string;
  readonly items: readonly Item[];
  readonly tokens: number;
  readonly bytes: number;
  readonly words: number;
}

const DEFAULT_WINDOW = 1024;
/** A file that is read in one piece. */
const MAX_TEXT_BYTES = 256 * 1024 * 1024;

/** Checked sizes. Throws ConfigError. */
export function windowsOf({ window, stride, rolling = false }: WindowChoice, contextLength: number) {
  const size = window ?? Math.min(contextLength, DEFAULT_WINDOW);
  if (!Number.isInteger(size) || size < 2 || size > contextLength) {
    throw new ConfigError(
      `Expected a window of 2 to ${contextLength} tokens (the context of the base) but received ${size}.`,
    );
  }
  const step = rolling ? size - 1 : (stride ?? Math.max(1, Math.floor(size / 2)));
  if (!Number.isInteger(step) || step < 1 || step > size) {
    throw new ConfigError(`Expected a stride of 1 to ${size} tokens (the window) but received ${step}.`);
  }
  return { size, stride: step, rolling };
}

/** The text of a UTF-8 file. Throws DataError DATA_NOT_FOUND, TOO_LARGE, BAD_ENCODING, NO_EXAMPLES. */
async function readText(path: string): Promise<string> {
  const found = await stat(path).catch((cause: unknown) => {
    throw new DataError('DATA_NOT_FOUND', `Expected a text file at ${path} but it cannot be read.`, { cause });
  });
  if (found.isDirectory()) throw new DataError('DATA_NOT_FOUND', `Expected a text file at ${path} but it is a folder.`);
  if (found.size > MAX_TEXT_BYTES) {
    throw new DataError('TOO_LARGE', `Expected a text of 256 MiB at most but ${path} has ${found.size} bytes; cut it.`);
  }
  const bytes = await readFile(path);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new DataError('BAD_ENCODING', `Expected UTF-8 in ${path} but it holds other bytes.`, { cause });
  }
}

/** Ids with what a sequence of this base begins with. */
function tokensOf(text: string, { tokenizer }: BaseModel, rolling: boolean, path: string): number[] {
  const { bosId, eosId, addBos } = tokenizer;
  const prefix = rolling ? (bosId ?? eosId) : addBos ? bosId : undefined;
  if (rolling && prefix === undefined) {
    throw new ConfigError(`Rolling windows need a BOS or EOS token, which the base has not; leave --rolling out.`);
  }
  const ids = tokenizer.encode(text, { special: true });
  const all = prefix === undefined ? ids : [prefix, ...ids];
  if (all.length < 2)
    throw new DataError('NO_EXAMPLES', `Expected two tokens or more in ${path} but it has ${all.length}.`);
  return all;
}

function itemOf(ids: readonly number[], { start, end, firstTarget }: Window, owner: string, i: number): Item {
  const tokens = Int32Array.from(ids.slice(start, end));
  const lossMask = new Uint8Array(tokens.length).fill(1, firstTarget - start);
  return { id: `${owner}#${i + 1}`, tokens, lossMask, owner, category: undefined };
}

/** Names of documents: the file's, or the path where two files are called the same. */
function namesOf(paths: readonly string[]): string[] {
  const names = paths.map((path) => basename(path));
  return names.map((name, i) => (names.indexOf(name) === names.lastIndexOf(name) ? name : paths[i]!));
}

/**
 * Plain text as windows of tokens, file by file. Control tokens in it are those tokens, as with transformers. Bytes and words are
 * counted as lm-evaluation-harness does.
 *
 * Throws ConfigError for sizes that do not fit, DataError.
 */
export async function loadTexts(
  paths: readonly string[],
  model: BaseModel,
  choice: WindowChoice = {},
): Promise<TextDocument[]> {
  const { size, stride, rolling } = windowsOf(choice, model.description.contextLength);
  const documents: TextDocument[] = [];
  for (const [i, name] of namesOf(paths).entries()) {
    const path = paths[i]!;
    const text = await readText(path);
    const ids = tokensOf(text, model, rolling, path);
    const windows = rolling ? rollingWindows(ids.length, size) : slidingWindows(ids.length, size, stride);
    documents.push({
      name,
      items: windows.map((window, at) => itemOf(ids, window, name, at)),
      tokens: ids.length,
      bytes: Buffer.byteLength(text),
      words: text.split(/\s+/).length,
    });
  }
  return documents;
}
