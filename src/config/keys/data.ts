import { z } from 'zod';

const fraction = z.number().min(0).max(0.9);
const column = z.string().min(1);
const cap = z.int().positive().nullable();

/** Model, data and how rows become tokens. */
export const dataKeys = {
  model: z
    .string()
    .min(1)
    .default('embedded')
    .describe('Base model: `embedded`, a GGUF file, a Hugging Face folder, or `hf:owner/repo[/file]`.'),
  model_revision: z.string().min(1).default('main').describe('Git revision of a model on the hub.'),
  data: z
    .union([z.string().min(1), z.array(z.string().min(1)).min(1)])
    .default('embedded')
    .describe('Data: `embedded`, files, folders, glob patterns, or `hf:owner/repo`; one or a list.'),
  data_revision: z.string().min(1).default('main').describe('Git revision of data on the hub.'),
  data_format: z
    .enum(['auto', 'alpaca', 'dolly', 'sharegpt', 'messages', 'completion', 'text'])
    .default('auto')
    .describe('What a row looks like; `auto` finds out from its keys.'),
  columns: z
    .strictObject({
      prompt: column.optional(),
      input: z.union([column, z.array(column).min(1)]).optional(),
      system: column.optional(),
      history: column.optional(),
      answer: column.optional(),
      messages: column.optional(),
      text: column.optional(),
      weight: column.optional(),
      category: column.optional(),
      owner: column.optional(),
      split: column.optional(),
    })
    .nullable()
    .default(null)
    .describe(
      'Which columns are meant where fedtune does not know their names, e.g. `{prompt: Frage, answer: Antwort, owner: clinic}`.',
    ),
  encoding: z
    .string()
    .min(1)
    .default('utf-8')
    .describe('Encoding of text files: `utf-8`, `windows-1252`, `latin1`, `utf-16le` or another that the web knows.'),
  on_bad_row: z.enum(['skip', 'fatal']).default('skip').describe('Skip a row that cannot be used, or stop.'),
  template: z
    .string()
    .min(1)
    .default('auto')
    .describe(
      "Prompt template: `auto` (the model's own chat template, else alpaca), `model`, `alpaca`, `chatml`, `llama3`, `plain`, or a file (Jinja, or JSON as Alpaca-LoRA has it).",
    ),
  train_on: z
    .enum(['response', 'all'])
    .default('response')
    .describe('Which tokens are targets: those of the response with the end token, or all.'),
  on_long: z
    .enum(['drop', 'truncate', 'error'])
    .default('truncate')
    .describe('What happens to an example of more than `seq_length` tokens.'),
  seq_length: z.int().min(2).max(1_048_576).default(256).describe('Longest example in tokens.'),
  max_train_examples: cap.default(null).describe('At most this many training examples a client; null: all.'),
  max_valid_examples: cap
    .default(null)
    .describe('At most this many validation examples a client; null: as `max_test_examples`.'),
  max_test_examples: cap.default(null).describe('At most this many test examples a client; null: all.'),
  valid_fraction: fraction.default(0.1).describe("Share of a client's examples held out for validation."),
  test_fraction: fraction.default(0.1).describe("Share of a client's examples held out for the final test."),
};
