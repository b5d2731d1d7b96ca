import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const bundle = join(root, 'node_modules/node-llama-cpp/llama/gitRelease.bundle');
const dir = mkdtempSync(join(tmpdir(), 'fedtune-abi-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const TYPES = [
  'F32',
  'F16',
  'BF16',
  'Q4_0',
  'Q4_1',
  'Q5_0',
  'Q5_1',
  'Q8_0',
  'Q2_K',
  'Q3_K',
  'Q4_K',
  'Q5_K',
  'Q6_K',
  'IQ4_NL',
  'IQ4_XS',
];
const FIELDS = {
  block_size: 'blck_size',
  block_interleave: 'blck_size_interleave',
  type_size: 'type_size',
  is_quantized: 'is_quantized',
  to_float: 'to_float',
  from_float: 'from_float_ref',
};
const CHECKS = [
  ...[...TYPES, 'COUNT'].map(
    (type) => `(int)::ft::ggml::${type === 'COUNT' ? 'TYPE_COUNT' : type} == (int)GGML_TYPE_${type}`,
  ),
  ...Object.entries(FIELDS).map(
    ([own, theirs]) => `offsetof(ft::ggml::TypeTraits, ${own}) == offsetof(ggml_type_traits, ${theirs})`,
  ),
  'sizeof(ft::ggml::TypeTraits) == sizeof(ggml_type_traits)',
  'std::is_same_v<decltype(ft::ggml::TypeTraits::to_float), std::remove_cv_t<ggml_to_float_t>>',
];

/** What the compiler says of these claims. */
function compile(claims: readonly string[]): string {
  writeFileSync(
    join(dir, 'abi.cpp'),
    `#include <type_traits>\n#include "ggml.h"\n#include "ggml_abi.h"\n${claims.map((claim) => `static_assert(${claim});\n`).join('')}`,
  );
  const args = ['-std=c++17', '-fsyntax-only', `-I${dir}`, `-I${join(root, 'native/engine')}`, join(dir, 'abi.cpp')];
  const { status, stderr } = spawnSync('c++', args, { encoding: 'utf8' });
  return status === 0 ? 'fits' : stderr;
}

const can = process.platform !== 'win32' && spawnSync('git', ['--version']).status === 0;

describe('the part of ggml that the engine knows', () => {
  it.skipIf(!can)('is as in the header of the release whose library is loaded', () => {
    execFileSync('git', ['clone', '--quiet', '--bare', bundle, join(dir, 'ggml.git')], { stdio: 'ignore' });
    const header = execFileSync('git', ['-C', join(dir, 'ggml.git'), 'show', 'HEAD:ggml/include/ggml.h']);
    writeFileSync(join(dir, 'ggml.h'), header);
    expect(compile(CHECKS)).toBe('fits');
    expect(compile(['sizeof(ft::ggml::TypeTraits) == 1'])).toContain('static assertion failed');
  });
});
