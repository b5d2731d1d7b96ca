import { expect, it, vi } from 'vitest';
import { testFederation } from './server.js';

vi.setConfig({ testTimeout: 60_000 });

const federation = testFederation();

it('thirty owners that join at once are all taken in, though each asks again after five seconds', async () => {
  const names = Array.from({ length: 30 }, (_, i) => `owner-${i}`);
  const keys = await Promise.all(names.map((name) => federation.join(name)));
  expect(keys.every(({ jwt }) => jwt !== null)).toBe(true);
  const { folder } = federation;
  expect(folder.owners().filter((owner) => folder.enrolment(owner))).toHaveLength(30);
  for (const { account, owner } of keys) expect((await folder.ownerOf(account))?.name).toBe(owner);
});

it('an account that is no owner is nobody', async () => {
  const { folder } = federation;
  for (const account of [folder.account, '../keys', '', 'A'.repeat(56)]) {
    expect(await folder.ownerOf(account)).toBeUndefined();
  }
});
