import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../../src/config/parse.js';
import type { Example } from '../../../src/data/types.js';
import { checkOwnerId, checkOwnerIds, dealExamples } from '../../../src/partition/index.js';

const rowsOf = (owner: string | undefined, key: 'owner' | 'category' = 'owner'): Example[] =>
  Array.from({ length: 12 }, (_, i) => ({
    id: `${owner}:${i}`,
    instruction: `${i}`,
    input: '',
    output: 'x',
    ...(owner === undefined ? {} : { [key]: owner }),
  }));

const divide = (partition: 'natural' | 'category', examples: readonly Example[]) =>
  dealExamples(examples, parseConfig({ partition }));

describe('an owner’s id', () => {
  it.each([
    'north',
    'Praxis Dr. Müller',
    'A/S Nord',
    'con',
    'client-07',
    '北京',
    '用户 1',
    'می‌خواهم',
    'a'.repeat(100),
    '🙂',
  ])('%j is a name', (id) => {
    expect(checkOwnerId(id)).toBeUndefined();
  });

  it.each([
    ['*', /all owners/],
    ['global', /all owners/],
    ['Global', /all owners/],
    [' GLOBAL ', /all owners/],
    ['ｇｌｏｂａｌ', /all owners/],
    ['', /empty/],
    [' \t', /empty/],
    ['.', /dots/],
    ['..', /dots/],
    ['a\nb', /control/],
    ['a\u0000', /control/],
    ['\u001b[2J', /control/],
    ['a\u202eb', /control/],
    ['\ud800', /control/],
    ['x'.repeat(200), /200 characters/],
  ])('%j is none', (id, reason) => {
    expect(checkOwnerId(id)).toMatch(reason);
  });

  it('that looks like another is refused with it', () => {
    for (const ids of [
      ['North', 'north'],
      ['M\u00fcller', 'Mu\u0308ller'],
      ['a  b', 'a b'],
    ]) {
      expect(() => checkOwnerIds([...ids, 'other']), ids.join()).toThrow(
        expect.objectContaining({
          name: 'DataError',
          code: 'BAD_OWNER_ID',
          message: expect.stringContaining('one spelling'),
        }),
      );
    }
    expect(() => checkOwnerIds(['north', 'south', 'Praxis Dr. Müller'])).not.toThrow();
  });

  it('is shown so that no table is torn', () => {
    const message = (() => {
      try {
        checkOwnerIds(['y'.repeat(5000), 'b\nc']);
      } catch (error) {
        return (error as Error).message;
      }
      return '';
    })();
    expect(message).not.toContain('\n');
    expect(message.length).toBeLessThan(500);
  });
});

describe('a labelled partition', () => {
  it.each(['natural', 'category'] as const)('%s refuses an owner that would be everybody', (partition) => {
    const key = partition === 'natural' ? 'owner' : 'category';
    for (const id of ['*', 'global', 'x'.repeat(200)]) {
      expect(() => divide(partition, [...rowsOf('north', key), ...rowsOf(id, key)]), id).toThrow(
        expect.objectContaining({ code: 'BAD_OWNER_ID' }),
      );
    }
  });

  it.each(['natural', 'category'] as const)('%s counts the rows that belong to nobody', (partition) => {
    const key = partition === 'natural' ? 'owner' : 'category';
    const examples = [...rowsOf('north', key), ...rowsOf('south', key), ...rowsOf(undefined), ...rowsOf('  ', key)];
    const { numUnlabelled, owners } = divide(partition, examples);
    expect(owners.map(({ id }) => id)).toEqual(['north', 'south']);
    expect(numUnlabelled).toBe(24);
    expect(divide(partition, examples.slice(0, 24)).numUnlabelled).toBe(0);
  });
});
