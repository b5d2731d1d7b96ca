import type { ModelDescription } from '../native/binding.js';
import type { HubOptions } from './hub/access.js';
import type { Tokenizer } from './tokenizer/types.js';

/** A base model whose header, shapes and tokenizer were read and checked; its weights stay in their file(s). */
export interface BaseModel {
  /** `general.name`, the hub id, or the name of the file or folder. */
  readonly name: string;
  /** Lower-case hex. One file: its sha256. Several safetensors: sha256 over the lines `<sha256>  <file name>\n` in name order. */
  readonly sha256: string;
  readonly format: 'gguf' | 'hf';
  /** Absolute path of the .gguf file or of the Hugging Face folder. */
  readonly path: string;
  /** `owner/repo`, where the model came from the hub or its files say that it is there. */
  readonly hubId?: string;
  /** Commit of the hub that the files are of, where it is known. */
  readonly revision?: string;
  /** What the engine needs. */
  readonly description: ModelDescription;
  readonly tokenizer: Tokenizer;
  /** The model's own Jinja chat template. */
  readonly chatTemplate?: string;
  /** Rows of attn_q and attn_k are permuted against Hugging Face (GGUF files of the llama architecture). */
  readonly permutedQk: boolean;
  /** What is strange about the files but no reason to refuse them, each a sentence for the user. */
  readonly warnings: readonly string[];
  /** True for the tiny base that ships in the package. */
  readonly embedded: boolean;
}

export interface LoadModelOptions extends HubOptions {
  /** Git revision on the hub. @default 'main' */
  readonly revision?: string;
  /** Folder that holds `base/tiny.gguf`. @default `datasets/` of this package */
  readonly datasetsDir?: string;
}
