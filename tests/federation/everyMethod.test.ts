import { describe, expect, it, vi } from 'vitest';
import { methodsWith } from '../../src/methods/index.js';
import { CASES, everything, TINY } from '../links/cases.js';
import { runInline } from '../methods/inlineRun.js';
import { testFederation } from './server.js';

vi.setConfig({ testTimeout: 300_000 });

const federation = testFederation();
/** One who trains on the examples of all is no owner. */
const CENTRAL: readonly string[] = methodsWith('pooled');

describe('a real nats-server between gives the same bits', () => {
  it.each(CASES.filter(({ name }) => !CENTRAL.includes(name)))('$name', async ({ settings, shows = () => 1 }) => {
    const here = await runInline({ ...TINY, ...settings });
    expect(shows(here)).toBeGreaterThan(0);
    const far = await runInline({ ...TINY, ...settings }, { open: (homes) => federation.open(homes) });
    expect(everything(far)).toEqual(everything(here));
  });
});
