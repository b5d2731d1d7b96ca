// What pack-platforms.mjs builds and check-platforms.mjs looks at.
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

export const root = fileURLToPath(new URL('..', import.meta.url));
export const out = join(root, 'build', 'platforms');

/** By the name of the package. `zig`: its target, with the oldest C library or system; `system`, `processor`: CMake's names. */
export const TARGETS = {
  'linux-x64': { zig: 'x86_64-linux-gnu.2.28', system: 'Linux', processor: 'x86_64', libc: 'glibc' },
  'linux-arm64': { zig: 'aarch64-linux-gnu.2.28', system: 'Linux', processor: 'aarch64', libc: 'glibc' },
  'linux-x64-musl': { zig: 'x86_64-linux-musl', system: 'Linux', processor: 'x86_64', libc: 'musl' },
  'linux-arm64-musl': { zig: 'aarch64-linux-musl', system: 'Linux', processor: 'aarch64', libc: 'musl' },
  'darwin-arm64': { zig: 'aarch64-macos.12.0', system: 'Darwin', processor: 'arm64' },
  'darwin-x64': { zig: 'x86_64-macos.12.0', system: 'Darwin', processor: 'x86_64' },
  'win32-x64': { zig: 'x86_64-windows-gnu', system: 'Windows', processor: 'AMD64' },
};

/** The targets that `--targets a,b` names, else all: [name, target][]. */
export function chosenTargets() {
  const { values } = parseArgs({ options: { targets: { type: 'string', default: Object.keys(TARGETS).join(',') } } });
  return values.targets.split(',').map((name) => {
    if (!TARGETS[name])
      throw new Error(`Expected targets out of ${Object.keys(TARGETS).join(', ')} but received ${name}.`);
    return [name, TARGETS[name]];
  });
}

/** What the command prints. */
export function run(command, args, { cwd = root, env = {} } = {}) {
  try {
    const options = { cwd, encoding: 'utf8', env: { ...process.env, ...env }, maxBuffer: 1 << 28 };
    return execFileSync(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
  } catch (error) {
    console.error(`FAIL ${command} ${args.join(' ')}\n${error.stdout.slice(-4000)}${error.stderr.slice(-4000)}`);
    process.exit(1);
  }
}
