import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { loadBinding } from '../../src/native/load.js';

const source = readFileSync(join(fileURLToPath(import.meta.url), '../../../src/native/binding.ts'), 'utf8');

/** Names of the members of an interface in binding.ts. */
function members(name: string): string[] {
  const body = new RegExp(`export interface ${name} \\{([\\s\\S]*?)\\n\\}`).exec(source)![1]!;
  return [...body.replace(/\/\*[\s\S]*?\*\//g, '').matchAll(/^ {2}(?:readonly )?(\w+)[(:?]/gm)].map((m) => m[1]!);
}

describe('binding.ts and the addon', () => {
  const binding = loadBinding() as unknown as Record<string, { prototype?: object }>;

  it('offer the same functions and classes', () => {
    expect(Object.keys(binding).sort()).toEqual(members('NativeBinding').sort());
  });

  it.each([
    ['Base', 'NativeBase'],
    ['Trainer', 'NativeTrainer'],
  ])('offer the same members of %s', (className, interfaceName) => {
    const has = Object.getOwnPropertyNames(binding[className]!.prototype).filter((key) => key !== 'constructor');
    expect(has.sort()).toEqual(members(interfaceName).sort());
  });
});
