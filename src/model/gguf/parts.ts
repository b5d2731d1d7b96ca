import { basename, dirname, join } from 'node:path';
import { ModelError } from '../../errors.js';
import { checkNames, type GgufHeader, readGgufHeader } from './header.js';
import { GgufMetadata } from './metadata.js';

/** `NAME-00001-of-00003.gguf`, as llama-gguf-split names the parts of a model. */
const PART = /^(.*)-(\d{5})-of-(\d{5})\.gguf$/;
const MAX_PARTS = 1000;

/** Names of all parts of the split model that a file of this name is one of, in order; undefined: it is none. */
export function partNames(name: string): string[] | undefined {
  const [, stem, own, of] = PART.exec(basename(name)) ?? [];
  const count = Number(of);
  if (stem === undefined || count < 1 || count > MAX_PARTS || !(Number(own) >= 1 && Number(own) <= count))
    return undefined;
  return Array.from({ length: count }, (_, i) => `${stem}-${String(i + 1).padStart(5, '0')}-of-${of}.gguf`);
}

/** What a part says of the split. */
function splitOf(header: GgufHeader): { no: number; count: number; tensors: number | undefined } {
  const meta = new GgufMetadata(header);
  const range = { min: 0, max: MAX_PARTS };
  return {
    no: meta.count('split.no', { ...range, default: 0 }),
    count: meta.count('split.count', { ...range, default: 0 }),
    tensors: meta.number('split.tensors.count'),
  };
}

/**
 * Reads the header of a GGUF model: of one file, or of all parts of a split one (named by any of its parts). Metadata is that of
 * the first part.
 *
 * Throws ModelError SPLIT_FILE where parts are missing or do not belong together, and what `readGgufHeader` throws.
 */
export async function readGgufModel(path: string): Promise<GgufHeader> {
  const named = await readGgufHeader(path);
  const { count, no } = splitOf(named);
  if (count <= 1) return named;
  const names = partNames(path);
  if (names?.length !== count || names[no] !== basename(path)) {
    throw new ModelError(
      'SPLIT_FILE',
      `${path} is part ${no + 1} of ${count} of a split model; expected a name that ends in ` +
        `-${String(no + 1).padStart(5, '0')}-of-${String(count).padStart(5, '0')}.gguf with the other parts beside it. ` +
        'Give the parts back their names, or join them with llama-gguf-split --merge.',
    );
  }
  const parts: GgufHeader[] = [];
  for (const [i, name] of names.entries())
    parts.push(i === no ? named : await readPart(join(dirname(path), name), i, count));
  return joinParts(parts);
}

async function readPart(path: string, no: number, count: number): Promise<GgufHeader> {
  const header = await readGgufHeader(path).catch((cause: unknown) => {
    if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw cause;
    const message = `Expected part ${no + 1} of ${count} of the split model at ${path} but nothing is there. Download it too.`;
    throw new ModelError('SPLIT_FILE', message, { cause });
  });
  const said = splitOf(header);
  if (said.no === no && said.count === count) return header;
  throw new ModelError(
    'SPLIT_FILE',
    `${path} says it is part ${said.no + 1} of ${said.count}; its name says otherwise.`,
  );
}

function joinParts(parts: readonly GgufHeader[]): GgufHeader {
  const [first] = parts as [GgufHeader];
  const tensors = parts.flatMap((part, file) => part.tensors.map((tensor) => ({ ...tensor, file })));
  const said = splitOf(first).tensors;
  if (said !== undefined && said !== tensors.length) {
    const message = `Expected ${said} tensors in the ${parts.length} parts of ${first.path} but they have ${tensors.length}.`;
    throw new ModelError('SPLIT_FILE', `${message} They are not of one model.`);
  }
  checkNames(first.path, tensors);
  return { ...first, files: parts.map(({ path }) => path), tensors };
}
