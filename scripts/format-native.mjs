#!/usr/bin/env node
// npm run format:native [-- --check]: clang-format over native/, with the style of .clang-format. Optional: `npm run check` does
// without it.
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const folder = fileURLToPath(new URL('../native', import.meta.url));
const files = readdirSync(folder, { recursive: true })
  .filter((name) => /\.(cpp|h)$/.test(name))
  .map((name) => join(folder, name));
const flags = process.argv.includes('--check') ? ['--dry-run', '-Werror'] : ['-i'];
const { status, error } = spawnSync('clang-format', [...flags, ...files], { stdio: 'inherit' });
if (error)
  console.error(
    'Expected clang-format on the PATH. Install it: pip install clang-format, or apt-get install clang-format',
  );
process.exit(status ?? 1);
