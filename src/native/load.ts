import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { EngineError } from '../errors.js';
import type { NativeBinding } from './binding.js';
import { packageDir, platformPackage } from './platform.js';

const require = createRequire(import.meta.url);
// src/native or dist/native: two folders below the package either way
const packageRoot = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

let binding: NativeBinding | undefined;

/**
 * The addon: local build first (or the file that FEDTUNE_ADDON names, for builds with sanitizers), then the platform
 * package, then an error that says what to do.
 * Throws EngineError NOT_BUILT.
 */
export function loadBinding(): NativeBinding {
  if (binding) return binding;
  const platformDir = packageDir(platformPackage);
  const candidates = [process.env.FEDTUNE_ADDON ?? join(packageRoot, 'build', 'Release', 'fedtune.node')];
  if (platformDir) candidates.push(join(platformDir, 'fedtune.node'));
  const problems: string[] = [];
  for (const file of candidates) {
    if (!existsSync(file)) continue;
    try {
      binding = require(file) as NativeBinding;
      return binding;
    } catch (error) {
      problems.push(`${file}: ${(error as Error).message}`);
    }
  }
  throw new EngineError(
    'NOT_BUILT',
    [
      'The training engine is not there: no local build and no platform package could be loaded.',
      ...problems.map((problem) => `  ${problem}`),
      'Build it with "npm rebuild fedtune", in a checkout "npm run build:native" (needs a C++ compiler and CMake):',
      '  Debian, Ubuntu: sudo apt-get install build-essential cmake',
      '  macOS:          xcode-select --install && brew install cmake',
      '  Windows:        winget install Kitware.CMake, and Visual Studio with "C++ Clang tools for Windows"',
      `or install ${platformPackage}, where it exists.`,
    ].join('\n'),
  );
}

/** Version of ggml that this engine was made for: the one inside the pinned packages of node-llama-cpp. */
const GGML_VERSION = '0.23.0';

let ggmlLibrary: string | undefined;

/** Where libggml-base may lie: in the platform package, where it brings one, or among the libraries of node-llama-cpp. */
function* ggmlPlaces(): Generator<string> {
  const platform = { linux: 'linux', darwin: 'mac', win32: 'win' }[process.platform as string] ?? process.platform;
  const file =
    { darwin: 'libggml-base.dylib', win32: 'ggml-base.dll' }[process.platform as string] ?? 'libggml-base.so';
  const own = packageDir(platformPackage);
  if (own !== undefined) yield join(own, file);
  for (const variant of [`${platform}-${process.arch}`, `${platform}-${process.arch}-metal`]) {
    const folder = packageDir(`@node-llama-cpp/${variant}`);
    if (folder !== undefined) yield join(folder, 'bins', variant, file);
  }
}

/**
 * Path of libggml-base for this platform, its version checked.
 * Throws EngineError GGML_LOAD.
 */
export function findGgmlLibrary(): string {
  if (ggmlLibrary) return ggmlLibrary;
  for (const path of ggmlPlaces()) {
    if (!existsSync(path)) continue;
    const version = loadBinding().ggmlVersion(path);
    if (version !== GGML_VERSION) {
      throw new EngineError(
        'GGML_LOAD',
        `Expected ggml ${GGML_VERSION} (from the pinned packages of node-llama-cpp) but found ${version} at ${path}. Reinstall with "npm ci".`,
      );
    }
    ggmlLibrary = path;
    return path;
  }
  throw new EngineError(
    'GGML_LOAD',
    `Expected ggml's base library for ${process.platform}-${process.arch} but did not find it. Install again with "npm ci" (optional dependencies must not be left out).`,
  );
}
