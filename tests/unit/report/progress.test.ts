import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../../src/config/parse.js';
import type { RunProgress } from '../../../src/contracts/progress.js';
import { ProgressDisplay } from '../../../src/report/progress.js';

/** What a display writes, escape sequences and all. */
function shownBy(isTTY: boolean, ...progress: readonly RunProgress[]): string {
  let text = '';
  const display = new ProgressDisplay({
    isTTY,
    columns: 60,
    write: (part) => {
      text += part;
    },
  });
  for (const one of progress) display.update(one);
  return text;
}

const prepared: RunProgress = {
  ...{
    kind: 'prepared',
    config: parseConfig({ num_rounds: 6, precision: 'f32', seq_length: 512 }),
    model: 'a base',
    owners: 8,
  },
  ...{
    examples: 80,
    dropped: { long: 3, empty: 0, refused: 1, repeated: 0 },
    unlabelled: 0,
    cut: 5,
    shareLost: 0.123,
    reading: ['1 row of 9 could not be used', '  a.jsonl:3: it is empty', 'unused columns: id'],
    leftOut: ['north'],
    firstExample: 'Why?[[So.]]',
    warnings: ['a strange base'],
    workers: 2,
    threads: 1,
    kernels: 'avx2',
  },
} as const;
const job = {
  kind: 'job',
  round: 2,
  client: 'ashgrove-caretakers',
  tokens: 10,
  search: 0,
  seconds: 1,
  loss: 2.5,
} as const;

describe('the progress of a run', () => {
  it('says what is about to run, in lines that stay', () => {
    expect(shownBy(false, prepared)).toBe(
      'a base: 8 owners, 80 examples in use, method fedavg, 6 rounds; f32 on avx2, 2 workers of 1 thread\n' +
        'a strange base\n' +
        'left out, of the examples: 3 without a target in the first 512 tokens, 1 refused by the template\n' +
        'cut at 512 tokens: 5 examples; 12.3 % of the target tokens are lost\n' +
        '1 row of 9 could not be used\n  a.jsonl:3: it is empty\nunused columns: id\n' +
        'left out: 1 owner with too few training examples: north\n' +
        'the first example, what is learnt in [[brackets]]:\nWhy?[[So.]]\n',
    );
  });

  it('shows how far a download is, on a terminal only', () => {
    const download = {
      kind: 'downloading',
      file: 'model.safetensors',
      bytes: 30_000_000,
      totalBytes: 120_000_000,
    } as const;
    expect(shownBy(true, download)).toContain('downloading model.safetensors: 25 % of 120.0 MB');
    expect(shownBy(true, download, { ...download, bytes: 30_000_001 }).match(/downloading/g)).toHaveLength(1);
    expect(shownBy(false, download)).toBe('');
  });

  it('counts merges of an asynchronous run as rounds, and names the job', () => {
    const text = shownBy(true, prepared, { kind: 'round', round: 2, numRounds: 6, jobs: 5 }, { ...job, dispatch: 41 });
    expect(text).toContain('round 2 of 6: ashgrove-caretakers (job 41) done, loss 2.500');
    expect(shownBy(true, prepared, job)).toContain('round 2 of 6: ashgrove-caretakers done, loss 2.500');
    const failed = { kind: 'failed', round: 2, dispatch: 41, client: 'a', message: 'it broke', again: true } as const;
    expect(shownBy(false, failed)).toBe('round 2: a (job 41) failed, trying again: it broke\n');
  });

  it('cuts what is wider than the terminal, and long names', () => {
    const wide = shownBy(true, prepared, { ...job, client: `${'w'.repeat(200)}\n` });
    expect(wide).toContain(`${'w'.repeat(39)}\u2026`);
    for (const line of wide.split('\r\u001b[2K').slice(1)) expect(line.length).toBeLessThan(60);
  });

  it('shows warnings as lines, where there is no terminal too', () => {
    expect(shownBy(false, { kind: 'warning', message: 'x failed' }, job)).toBe('warning: x failed\n');
  });
});
