import { expect, it } from 'vitest';
import { expectsBrowser } from '../../../src/cli/window.js';

it.each([
  ['linux', {}, false],
  ['linux', { DISPLAY: '' }, false],
  ['linux', { DISPLAY: ':0' }, true],
  ['linux', { WAYLAND_DISPLAY: 'wayland-0' }, true],
  ['linux', { BROWSER: 'firefox' }, true],
  ['linux', { WSL_DISTRO_NAME: 'Debian' }, true],
  ['darwin', {}, true],
  ['win32', {}, true],
] as const)('a browser is opened on %s with %o: %s', (platform, env, expected) => {
  expect(expectsBrowser(platform, env)).toBe(expected);
});
