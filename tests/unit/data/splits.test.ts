import { describe, expect, it } from 'vitest';
import { placesOf } from '../../../src/data/places.js';
import { splitOf } from '../../../src/data/splits.js';

describe('the split that a name speaks for', () => {
  it.each([
    ['train', 'train'],
    ['training', 'train'],
    ['train-00000-of-00004', 'train'],
    ['train-00000-of-00001-a09b74b3ef9c3b56', 'train'],
    ['test-00001-of-00002-5f1c2d3e4a5b6c7d', 'test'],
    ['validation_sft', 'valid'],
    ['test_gen', 'test'],
    ['train.clean', 'train'],
    ['TEST', 'test'],
    ['dev', 'valid'],
    ['val', 'valid'],
    ['eval', 'test'],
    ['evaluation', 'test'],
    ['global_test', 'test'],
    ['train_0003', 'train'],
    ['train3', 'train'],
    ['trainer', undefined],
    ['train_v2', 'train'],
    ['test_10k', 'test'],
    ['train_station', undefined],
    ['test-clinic', undefined],
    ['developers', undefined],
    ['contest', undefined],
    ['north', undefined],
  ] as const)('%s: %s', (name, split) => {
    expect(splitOf(name)).toBe(split);
  });
});

it('takes no longer for a name that was made to take long', () => {
  for (const name of [`train${'1'.repeat(240)}!`, `train${'-11111111'.repeat(27)}!`, `${'a-train-'.repeat(30)}!`]) {
    const started = performance.now();
    expect(splitOf(name)).toBeUndefined();
    placesOf([`${name}.jsonl`, 'x.jsonl']);
    expect(performance.now() - started).toBeLessThan(500);
  }
});

describe('what places say', () => {
  const said = (...labels: string[]) => placesOf(labels).map(({ owner, split }) => `${owner ?? '-'}/${split ?? '-'}`);

  it.each([
    [
      ['train/0000.jsonl', 'test/0000.jsonl'],
      ['-/train', '-/test'],
    ],
    [
      ['train/a/part-0.jsonl', 'eval/a/part-0.jsonl'],
      ['a/train', 'a/test'],
    ],
    // An owner's file in each split's folder.
    [
      ['train/north.json', 'train/south.json', 'test/north.json'],
      ['north/train', 'south/train', 'north/test'],
    ],
    [
      ['north/train.jsonl', 'south/dev.jsonl'],
      ['north/train', 'south/valid'],
    ],
    [
      ['data/train-00000-of-00001.parquet', 'data/test-00000-of-00001.parquet'],
      ['-/train', '-/test'],
    ],
    [
      ['data/north/train.jsonl', 'data/south/train.jsonl'],
      ['north/train', 'south/train'],
    ],
    [
      ['north_train.jsonl', 'north_test.jsonl', 'south_train.jsonl', 'south_test.jsonl'],
      ['north/train', 'north/test', 'south/train', 'south/test'],
    ],
    // One name before the splits is the data set's.
    [
      ['alpaca_train.jsonl', 'alpaca_test.jsonl'],
      ['-/train', '-/test'],
    ],
    [
      ['train_north.jsonl', 'test_north.jsonl', 'train_south.jsonl', 'test_south.jsonl'],
      ['north/train', 'north/test', 'south/train', 'south/test'],
    ],
    [
      ['train_chat_en.jsonl', 'test_chat_en.jsonl'],
      ['-/train', '-/test'],
    ],
    [
      ['x_train_00000.jsonl', 'x_train_00001.jsonl', 'x_test.jsonl'],
      ['-/train', '-/train', '-/test'],
    ],
    // An owner whose name only ends so.
    [
      ['quality_test.jsonl', 'north.jsonl'],
      ['quality_test/-', 'north/-'],
    ],
    [
      ['rows-00000-of-00002.parquet', 'rows-00001-of-00002.parquet'],
      ['-/-', '-/-'],
    ],
    [
      ['0.jsonl', '1.jsonl'],
      ['0/-', '1/-'],
    ],
    [['one.jsonl'], ['-/-']],
    [
      ['one/two/three.csv.gz', 'four/five/six.csv.gz'],
      ['one/-', 'four/-'],
    ],
  ])('%j', (labels, places) => {
    expect(said(...labels)).toEqual(places);
  });
});
