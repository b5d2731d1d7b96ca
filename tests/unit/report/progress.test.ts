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

/** A terminal as wide as that: what a reader sees after all that was written. */
class Terminal {
  readonly isTTY = true;
  readonly rows = 40;
  readonly lines: string[] = [''];
  readonly writes: string[] = [];
  #row = 0;
  #column = 0;

  constructor(readonly columns: number) {}

  /** The lines below those that stay. */
  below(): string[] {
    const first = this.lines.findIndex((line) => line.startsWith('round '));
    return this.lines.slice(Math.max(0, first)).filter((line) => line !== '');
  }

  write(text: string): boolean {
    this.writes.push(text);
    for (const [, up, down, column, erase, other, char] of text.matchAll(
      // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what a terminal acts on
      /\u001b\[(?:(\d+)A|(\d+)B|(\d*)G|([012]?K)|([?\d]*[hlJ]))|([^\u001b])/gs,
    )) {
      if (up) this.#row -= Number(up);
      else if (down) this.#row += Number(down);
      else if (column !== undefined) this.#column = Math.max(0, Number(column || 1) - 1);
      else if (erase === '2K') this.lines[this.#row] = '';
      else if (erase) this.lines[this.#row] = (this.lines[this.#row] ?? '').slice(0, this.#column);
      else if (other) continue;
      else if (char === '\n') {
        this.#row++;
        this.#column = 0;
        this.lines[this.#row] ??= '';
      } else if (char) {
        const line = (this.lines[this.#row] ?? '').padEnd(this.#column);
        this.lines[this.#row] = line.slice(0, this.#column) + char + line.slice(this.#column + 1);
        this.#column++;
      }
    }
    while (this.lines.length > this.#row + 1 && this.lines.at(-1) === '') this.lines.pop();
    return true;
  }
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
    expect(shownBy(true, download)).toContain('downloading model.safetensors: █████░░░░░░░░░░░░░░░ 25 % of');
    expect(shownBy(true, download, { ...download, bytes: 30_000_001 }).match(/downloading/g)).toHaveLength(1);
    expect(shownBy(false, download)).toBe('');
  });

  it('names the job of an asynchronous run that fails', () => {
    const failed = { kind: 'failed', round: 2, dispatch: 41, client: 'a', message: 'it broke', again: true } as const;
    expect(shownBy(false, failed)).toBe('round 2: a (job 41) failed, trying again: it broke\n');
  });

  it('shows on a terminal how far the run is, and a bar for every owner at work', () => {
    const screen = new Terminal(100);
    let now = 0;
    const display = new ProgressDisplay(screen, () => now);
    display.update(prepared);
    display.update({ kind: 'round', round: 2, numRounds: 6, jobs: 4 });
    expect(screen.below()).toEqual(['round 2 of 6 ███░░░░░░░░░░░░░░░░░ 0 of 4 owners']);
    const owners = [
      { client: 'north', steps: 3, of: 12 },
      { client: 'south-by-west', steps: 14, of: 12 },
    ];
    display.update({ kind: 'working', owners });
    now = 2;
    display.update({ ...job, client: 'east', tokens: 300 });
    expect(screen.below()).toEqual([
      'round 2 of 6 ████░░░░░░░░░░░░░░░░ 1 of 4 owners, 150 tokens/s, loss 2.500',
      '  north         █████░░░░░░░░░░░░░░░ step 3 of 12',
      '  south-by-west ████████████████████ step 12 of 12',
    ]);
    display.update({ kind: 'warning', message: 'x failed' });
    expect(screen.lines.at(-5)).toBe('warning: x failed');
    expect(screen.below()).toHaveLength(3);
    display.update({ ...job, client: 'north' });
    expect(screen.below().map((line) => line.split('█')[0]!.trim())).toEqual(['round 2 of 6', 'south-by-west']);
    display.close();
    expect(screen.lines.at(-1)).toBe('');
    expect(screen.lines.at(-2)).toBe('warning: x failed');
  });

  it('draws anew only what has changed, and as one piece', () => {
    const screen = new Terminal(100);
    const display = new ProgressDisplay(screen, () => 0);
    display.update(prepared);
    display.update({ kind: 'round', round: 2, numRounds: 6, jobs: 4 });
    const at = (steps: number) => [{ client: 'north', steps, of: 12 }];
    display.update({ kind: 'working', owners: at(3) });
    const { length } = screen.writes;
    display.update({ kind: 'working', owners: at(3) });
    expect(screen.writes).toHaveLength(length);
    display.update({ kind: 'working', owners: at(4) });
    expect(screen.writes).toHaveLength(length + 1);
    // Synchronized output: a terminal shows what is between these at once.
    expect(screen.writes.at(-1)!.startsWith('\u001b[?2026h')).toBe(true);
    expect(screen.writes.at(-1)!.endsWith('\u001b[?2026l')).toBe(true);
    expect(screen.writes.at(-1)).not.toContain('round 2 of 6');
  });

  it('has bars for some of many at work, and cuts what is wider than the terminal', () => {
    const screen = new Terminal(60);
    const display = new ProgressDisplay(screen, () => 0);
    display.update(prepared);
    const owners = Array.from({ length: 30 }, (_, i) => ({ client: `${i}${'w'.repeat(200)}\n`, steps: 1, of: 4 }));
    display.update({ kind: 'working', owners });
    expect(screen.below()).toHaveLength(10);
    expect(screen.below().at(-1)).toBe('  and 22 more at work');
    for (const line of screen.below()) expect(line.length).toBeLessThan(60);
  });

  it('says in a log now and then how far the run is', () => {
    let text = '';
    let now = 0;
    const display = new ProgressDisplay({ write: (part) => (text += part) }, () => now);
    const round = (number: number) => display.update({ kind: 'round', round: number, numRounds: 6, jobs: 4 });
    round(1);
    now = 9;
    round(2);
    expect(text).toBe('');
    now = 11;
    display.update(job);
    display.update({ ...job, client: 'east' });
    expect(text).toBe('round 2 of 1, 1 of 4 owners, 5 tokens/s, loss 2.500\n');
  });

  it('shows warnings as lines, where there is no terminal too', () => {
    expect(shownBy(false, { kind: 'warning', message: 'x failed' }, job)).toBe('warning: x failed\n');
  });
});
