import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { parseConfig } from '../../../src/config/parse.js';
import { FederationFolder } from '../../../src/federation/folder.js';
import { inviteOwner } from '../../../src/federation/invite.js';
import { methodsWith } from '../../../src/methods/index.js';
import { remoteOwners } from '../../../src/run/remote.js';
import { checkSameConfig } from '../../../src/run/resume.js';

function temporaryFolder(): string {
  const dir = mkdtempSync(join(tmpdir(), 'fedtune-remote-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

const FAR = { runtime: 'nats', federation: 'net' };

describe('runtime: nats', () => {
  const conflicts: readonly (readonly [Record<string, unknown>, string])[] = [
    [{ runtime: 'nats' }, 'needs federation'],
    [{ federation: 'net' }, 'needs runtime: nats'],
    [{ ...FAR, partition: 'iid' }, 'leave partition'],
    [{ ...FAR, num_clients: 4 }, 'num_clients'],
    [{ ...FAR, strategy: './mine.mjs' }, 'Leave strategy out'],
    ...methodsWith('pooled').map((method) => [{ ...FAR, method }, 'examples of all owners'] as const),
  ];
  it.each(conflicts)('%j is refused', (settings, why) => {
    expect(() => parseConfig(settings)).toThrow(why);
  });

  it('takes those that have joined, in the order of their names, and refuses a federation of none', async () => {
    const dir = join(temporaryFolder(), 'net');
    const config = parseConfig({ ...FAR, federation: dir });
    await expect(remoteOwners(config)).rejects.toMatchObject({ code: 'NO_FEDERATION' });
    const folder = await FederationFolder.create(dir, 'nats://127.0.0.1:4222');
    await expect(remoteOwners(config)).rejects.toMatchObject({ name: 'ConfigError', code: 'NO_OWNERS' });
    for (const name of ['south', 'north', 'west']) await inviteOwner(folder, name, { rotate: false, validHours: 1 });
    await expect(remoteOwners(config)).rejects.toMatchObject({ code: 'NO_OWNERS' });
    for (const name of ['south', 'north']) {
      const owner = folder.owner(name);
      const keys = { user: owner.invite, signing: owner.invite, at: 'now' };
      expect(await folder.enrol(owner, keys)).toBe(true);
      expect(await folder.enrol(owner, keys)).toBe(false);
    }
    expect((await remoteOwners(config)).owners.map(({ id }) => id)).toEqual(['north', 'south']);
    await folder.saveOwner({ ...folder.owner('south'), isRemoved: true });
    expect((await remoteOwners(config)).owners.map(({ id }) => id)).toEqual(['north']);
  });

  it('goes on with the owners that a run was begun with, here or far', () => {
    const here = parseConfig({});
    const far = parseConfig(FAR);
    expect(() => checkSameConfig(here, far)).toThrow('the owners are others');
    expect(() => checkSameConfig(far, here)).toThrow('the owners are others');
    checkSameConfig(here, parseConfig({ runtime: 'processes' }));
  });
});

describe('a federation’s folder', () => {
  it('refuses names that cannot be folders and subjects, and a second federation in one place', async () => {
    const root = temporaryFolder();
    for (const name of ['a b', 'a.b', '-x', 'ä', 'A', 'x'.repeat(64)]) {
      await expect(FederationFolder.create(join(root, name), 'nats://localhost'), name).rejects.toMatchObject({
        name: 'ConfigError',
      });
    }
    const folder = await FederationFolder.create(join(root, 'net'), 'nats://localhost');
    await expect(FederationFolder.create(join(root, 'net'), 'nats://localhost')).rejects.toMatchObject({
      code: 'EXISTS',
    });
    const full = join(root, 'full');
    mkdirSync(full);
    writeFileSync(join(full, 'mine.txt'), 'mine');
    await expect(FederationFolder.create(full, 'nats://localhost')).rejects.toMatchObject({ code: 'EXISTS' });
    for (const name of ['global', 'A', '../x', 'a*', 'fed.>']) {
      await expect(inviteOwner(folder, name, { rotate: false, validHours: 1 }), name).rejects.toMatchObject({
        name: 'ConfigError',
      });
    }
    await inviteOwner(folder, 'north', { rotate: false, validHours: 1 });
    await expect(inviteOwner(folder, 'north', { rotate: false, validHours: 1 })).rejects.toMatchObject({
      code: 'EXISTS',
    });
    await expect(inviteOwner(folder, 'west', { rotate: true, validHours: 1 })).rejects.toMatchObject({
      code: 'UNKNOWN_OWNER',
    });
  });
});
