import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(fileURLToPath(import.meta.url), '../../..');

/** Builds one of the test targets of native/CMakeLists.txt where it is not up to date; returns the path of `file`. */
export function nativeTest(target: string, file = target): string {
  execFileSync(process.execPath, [join(root, 'scripts/build-native.mjs'), '--target', target]);
  return join(root, 'build', 'Release', file);
}
