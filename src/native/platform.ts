import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { platform } from '../platform.js';

const require = createRequire(import.meta.url);

/** Folder of an installed package, whatever its `exports` hide. */
export function packageDir(name: string): string | undefined {
  return (require.resolve.paths(name) ?? []).map((dir) => join(dir, name)).find((dir) => existsSync(dir));
}

/** The package with an engine that was built for this platform. */
export const platformPackage = `@fedtune/${platform}`;
