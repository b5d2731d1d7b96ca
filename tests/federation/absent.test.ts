import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, vi } from 'vitest';
import { parseConfig } from '../../src/config/parse.js';
import { announce } from '../../src/federation/coordinator.js';
import { removeOwner } from '../../src/federation/invite.js';
import { TINY } from '../links/cases.js';
import { type InlineRun, runInline } from '../methods/inlineRun.js';
import { testFederation } from './server.js';

vi.setConfig({ testTimeout: 120_000 });

const federation = testFederation();
/** Some states, so that a round that did not count has to be undone at its owner. */
const SETTINGS = { ...TINY, method: 'scaffold', num_clients: 3, num_rounds: 3, eval_every: 1 };

const failures = ({ events }: InlineRun) =>
  events.flatMap((event) => (event.type === 'client_failed' ? [[event.round, event.client, event.code]] : []));
const merged = ({ events }: InlineRun) => events.flatMap((event) => (event.type === 'round' ? [event.clients] : []));

describe('owners that are away', () => {
  it('in a round with a deadline: it closes without them, and they are in the next one', async () => {
    let isAway = false;
    const run = await runInline(SETTINGS, {
      open: (homes) =>
        federation.open(homes, { deadlineMs: 8000 }, async (owner, request) => {
          if (owner !== 'client-1' || request.kind !== 'train' || request.round !== 2 || isAway) return;
          isAway = true;
          // Its update comes after the deadline.
          await sleep(10_000);
        }),
    });
    expect(failures(run)).toContainEqual([2, 'client-1', 'ABSENT']);
    expect(merged(run)[1]).toEqual(['client-0', 'client-2']);
    expect(merged(run)[2]).toContain('client-1');
    expect(run.finished.clients.map(({ client }) => client.id)).toEqual(['client-0', 'client-1', 'client-2']);
  });

  it('for good, as they were removed: the run goes on and ends without them', async () => {
    const run = await runInline(SETTINGS, {
      open: (homes) =>
        federation.open(homes, {}, async (owner, request) => {
          if (owner !== 'client-2' || request.kind !== 'train' || request.round !== 2) return;
          await announce(federation.folder, await removeOwner(federation.folder, owner));
          await sleep(1000);
        }),
    });
    expect(failures(run)).toContainEqual([2, 'client-2', 'REVOKED']);
    expect(merged(run)).toEqual([
      ['client-0', 'client-1', 'client-2'],
      ['client-0', 'client-1'],
      ['client-0', 'client-1'],
    ]);
    expect(run.finished.clients.map(({ client }) => client.id)).toEqual(['client-0', 'client-1']);
  });

  it('a deadline of the real clock takes nothing that comes after it', () => {
    const far = { runtime: 'nats', federation: 'net', deadline: 60 };
    parseConfig(far);
    expect(() => parseConfig({ ...far, late: 'discount' })).toThrow('late: discount needs devices');
    expect(() => parseConfig({ deadline: 60 })).toThrow('deadline needs devices');
  });
});
