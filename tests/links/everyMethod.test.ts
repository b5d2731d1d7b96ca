import { describe, expect, it, vi } from 'vitest';
import type { Link, OwnerHome } from '../../src/links/link.js';
import type { Prepared } from '../../src/run/prepare.js';
import { runInline } from '../methods/inlineRun.js';
import { CASES, everything, TINY } from './cases.js';
import { compiledLinks } from './owners.js';

// Each of these starts processes, which take their time where the machine has other work.
vi.setConfig({ testTimeout: 300_000 });

async function open(kind: 'threads' | 'processes', homes: readonly OwnerHome[], { model }: Prepared): Promise<Link> {
  const { createThreadsLink, createProcessesLink } = await compiledLinks();
  const options = { homes, workers: 2, threads: 1 };
  return kind === 'threads' ? createThreadsLink({ ...options, model }) : createProcessesLink(options);
}

describe('threads, processes and inline give the same bits', () => {
  it.each(CASES)('$name', async ({ settings, shows = () => 1 }) => {
    const run = (kind: 'threads' | 'processes') =>
      runInline({ ...TINY, ...settings }, { open: (homes, prepared) => open(kind, homes, prepared) });
    const here = await runInline({ ...TINY, ...settings });
    expect(shows(here)).toBeGreaterThan(0);
    const inline = everything(here);
    expect(Object.keys(inline.homes.at(-1)!).length).toBeGreaterThan(6);
    expect(everything(await run('threads'))).toEqual(inline);
    expect(everything(await run('processes'))).toEqual(inline);
  });
});
