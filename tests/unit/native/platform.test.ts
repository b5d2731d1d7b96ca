import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it, vi } from 'vitest';

const root = fileURLToPath(new URL('../../..', import.meta.url));

/** What Node on that C library says of itself. */
function pretend(platform: NodeJS.Platform, arch: NodeJS.Architecture, glibcVersionRuntime?: string): void {
  vi.resetModules();
  vi.spyOn(process, 'platform', 'get').mockReturnValue(platform);
  vi.spyOn(process, 'arch', 'get').mockReturnValue(arch);
  vi.spyOn(process.report, 'getReport').mockReturnValue({ header: { glibcVersionRuntime } });
}

afterEach(() => vi.restoreAllMocks());

describe('the package of the platform', () => {
  it.each([
    ['linux', 'x64', '2.36', '@fedtune/linux-x64'],
    ['linux', 'x64', undefined, '@fedtune/linux-x64-musl'],
    ['linux', 'arm64', '2.28', '@fedtune/linux-arm64'],
    ['linux', 'arm64', undefined, '@fedtune/linux-arm64-musl'],
    ['darwin', 'arm64', undefined, '@fedtune/darwin-arm64'],
    ['win32', 'x64', undefined, '@fedtune/win32-x64'],
  ] as const)('%s-%s, glibc %s: %s', async (platform, arch, glibc, expected) => {
    pretend(platform, arch, glibc);
    expect((await import('../../../src/native/platform.js')).platformPackage).toBe(expected);
  });

  it.runIf(process.platform === 'linux').each([
    [undefined, 'linux-x64-musl', true],
    [undefined, 'linux-x64', false],
    ['2.36', 'linux-x64', true],
    ['2.36', 'linux-x64-musl', false],
  ])('glibc %s with %s installed: the install script compiles nothing is %s', (glibc, installed, spared) => {
    const folder = mkdtempSync(join(tmpdir(), 'fedtune-platform-'));
    try {
      const modules = join(folder, 'node_modules');
      mkdirSync(join(folder, 'scripts'));
      mkdirSync(join(modules, '@fedtune', installed), { recursive: true });
      writeFileSync(join(modules, '@fedtune', installed, 'package.json'), '{}');
      symlinkSync(join(root, 'node_modules/proper-lockfile'), join(modules, 'proper-lockfile'));
      writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
      copyFileSync(join(root, 'scripts/build-native.mjs'), join(folder, 'scripts/build-native.mjs'));
      writeFileSync(
        join(folder, 'pretend.mjs'),
        `Object.defineProperty(process, 'arch', { value: 'x64' });
process.report.getReport = () => (${JSON.stringify({ header: { glibcVersionRuntime: glibc } })});`,
      );
      const args = ['--import', join(folder, 'pretend.mjs'), join(folder, 'scripts/build-native.mjs')];
      // No compiler is found there: without a package it gives up.
      const { status, stderr } = spawnSync(process.execPath, args, { env: { PATH: '' }, encoding: 'utf8' });
      expect(status, stderr).toBe(spared ? 0 : 1);
      if (!spared) expect(stderr).toContain('CMake is missing');
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
