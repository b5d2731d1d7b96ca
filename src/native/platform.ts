import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const require = createRequire(import.meta.url);

/** Folder of an installed package, whatever its `exports` hide. */
export function packageDir(name: string): string | undefined {
  return (require.resolve.paths(name) ?? []).map((dir) => join(dir, name)).find((dir) => existsSync(dir));
}

/** Whether this Node runs on musl's C library (Alpine), for which programs of glibc are none. */
function isMusl(): boolean {
  if (process.platform !== 'linux') return false;
  const report = process.report as NodeJS.ProcessReport & { excludeNetwork?: boolean };
  // Else it asks name servers.
  report.excludeNetwork = true;
  const { header } = report.getReport() as unknown as { header: { glibcVersionRuntime?: string } };
  return header.glibcVersionRuntime === undefined;
}

/** The package with an engine that was built for this platform. `scripts/build-native.mjs` has the same name. */
export const platformPackage = `@fedtune/${process.platform}-${process.arch}${isMusl() ? '-musl' : ''}`;
