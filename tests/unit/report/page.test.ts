import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { reportHtml } from '../../../src/report/page/index.js';
import { readRecord } from '../../../src/report/record.js';
import { attributeNames, checkWellFormed } from '../../support/markup.js';
import { TINY_RUN } from '../../support/tinyRun.js';
import { runFolder } from './runFolder.js';

const MAIN = fileURLToPath(new URL('../../../dist/cli/main.js', import.meta.url));
const PATIENCE = 300_000;

/** A short run that has something for every section: masks, mutants, devices, drop-outs, late updates, tuning. */
const SETTINGS = {
  ...TINY_RUN,
  method: 'perfit',
  mutation: 'fedqp',
  also_local: true,
  finetune_steps: 1,
  num_rounds: 4,
  eval_every: 1,
  dropout_rate: 0.2,
  deadline: 2,
  late: 'discount',
  keep: 'best_on_validation',
  devices: [
    { name: 'phone & co', tokens_per_second: 200, share: 1 },
    { name: 'server', tokens_per_second: 50_000, share: 3 },
  ],
};

let folder: string;
let dir: string;
const fedtune = (...args: string[]) => promisify(execFile)(process.execPath, [MAIN, ...args], { cwd: folder });

const digits = (ppl: number): string => ppl.toFixed(ppl < 100 ? 2 : ppl < 1000 ? 1 : 0);

/** The section's markup. */
const sectionOf = (page: string, id: string): string =>
  new RegExp(`<section id="${id}".*?</section>`, 's').exec(page)?.[0] ?? '';

const events = async (): Promise<Record<string, unknown>[]> =>
  (await readFile(join(dir, 'events.jsonl'), 'utf8'))
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fedtune-report-'));
  dir = join(folder, 'run');
  await writeFile(join(folder, 'run.yaml'), stringify(SETTINGS));
  await fedtune('run', 'run.yaml', '--output-dir', 'run');
}, PATIENCE);
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('the report of a finished run', () => {
  let page: string;
  beforeAll(async () => {
    page = await readFile(join(dir, 'report.html'), 'utf8');
  });

  it('is one well-formed page that loads nothing and runs its own script alone', () => {
    checkWellFormed(page);
    const policy = /http-equiv="Content-Security-Policy" content="([^"]*)"/.exec(page)![1]!;
    const script = /<script type="module">(.*?)<\/script>/s.exec(page)![1]!;
    const hash = createHash('sha256').update(script).digest('base64');
    expect(policy.replaceAll('&#39;', "'")).toBe(
      `default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src 'sha256-${hash}'`,
    );
    expect(page.match(/<script/g)).toHaveLength(1);
    expect(/<link|<iframe|@import|url\(|https?:/i.exec(page)).toBeNull();
    expect([...page.matchAll(/ (?:src|href)="([^"]{0,11})/g)].map(([, start]) => start)).toEqual(['data:image/']);
  });

  it('is the same again from the same files', async () => {
    expect(reportHtml(await readRecord(dir))).toBe(page);
  });

  it('says what came out in a sentence, with the figures of metrics.json', async () => {
    const { macro, clients } = JSON.parse(await readFile(join(dir, 'metrics.json'), 'utf8'));
    expect(page).toContain('perfit + fedqp <span>on fedtune tiny base</span>');
    expect(page).toContain(
      `from ${digits(macro.base.ppl)} (base) to ${digits(macro.take_home.ppl)} (what they take home)`,
    );
    expect(page).not.toContain('Not finished');
    const table = /<tbody>.*?<\/tbody>/s.exec(sectionOf(page, 'owners'))![0];
    expect(table.match(/<tr /g)).toHaveLength(clients.length);
    for (const { id, tuned, take_home: home } of clients) {
      const row = table.split('<tr ').find((text) => text.includes(`>${id}<`))!;
      expect(row).toContain(`>${digits(tuned.ppl)}</td>`);
      expect(row).toContain(`k-${home.which}">${home.which}</td>`);
    }
  });

  it('says which round that is of', async () => {
    const { best_round: best, clients } = JSON.parse(await readFile(join(dir, 'metrics.json'), 'utf8'));
    expect(page).toContain(`Validation was best after round ${best}. What they take home is of the round`);
    const owners = sectionOf(page, 'owners');
    expect(owners).toContain('<th scope="col">of round</th>');
    for (const { kept, take_home: home } of clients) {
      expect(kept.personalized).toBeGreaterThan(0);
      expect(owners).toContain(`>${home.which}</td><td>${kept[home.which] ?? ''}</td></tr>`);
    }
  });

  it('marks the lowest score of every owner', async () => {
    const { clients } = JSON.parse(await readFile(join(dir, 'metrics.json'), 'utf8'));
    const rows = /<tbody>.*?<\/tbody>/s.exec(sectionOf(page, 'owners'))![0].split('<tr ').slice(1);
    rows.forEach((row, i) => {
      const { base, local, personalized, unmerged, tuned } = clients[i];
      const lowest = Math.min(
        ...[base, local, personalized, unmerged, tuned].flatMap((score) => (score ? [score.ppl] : [])),
      );
      expect(/class="best">([^<]*)</.exec(row)![1]).toBe(digits(lowest));
    });
  });

  it('compares kinds of adapters on the same test examples', async () => {
    const metrics: { macro: Record<string, { ppl: number }>; clients: Record<string, { ppl: number }>[] } = JSON.parse(
      await readFile(join(dir, 'metrics.json'), 'utf8'),
    );
    const { macro } = metrics;
    const differences = sectionOf(page, 'differences');
    for (const [which, against] of [
      ['local', 'base'],
      ['tuned', 'local'],
    ]) {
      // Every owner has these, so the difference is that of the means in metrics.json.
      const percent = (100 * (macro[which!]!.ppl / macro[against!]!.ppl - 1)).toFixed(1).replace('-', '−');
      const row = differences.split('<tr>').find((text) => text.includes(`${which} against ${against}<`))!;
      expect(row.replace('>+', '>')).toContain(`<td>${percent} %</td>`);
      const { clients } = metrics;
      const better = clients.filter((client) => client[which!]!.ppl < client[against!]!.ppl).length;
      expect(row).toContain(`<td>${better} of 8</td><td class="aside">16</td>`);
    }
  });

  it('says whom that comparison is without', async () => {
    const without = join(folder, 'without');
    await cp(dir, without, { recursive: true });
    const scores = (owner: string) => join(without, 'owners', owner, 'scores.jsonl');
    await rm(scores('ashgrove-caretakers'));
    const some = sectionOf(reportHtml(await readRecord(without)), 'differences');
    expect(some).toContain('1 owner of 8 left no scores of single test examples');
    expect(some).toMatch(/<td>\d of 7<\/td><td class="aside">14<\/td>/);
    await rm(join(without, 'owners'), { recursive: true });
    const none = sectionOf(reportHtml(await readRecord(without)), 'differences');
    expect(none).toContain('No owner left scores of single test examples');
    expect(none).not.toContain('<table');
  });

  it('draws every evaluation, for the mean and for each owner', async () => {
    const rounds = sectionOf(page, 'rounds');
    for (const { round, macro } of (await events()).filter(({ type }) => type === 'evaluation') as never[]) {
      const { ppl } = (macro as Record<string, { ppl: number }>).base!;
      expect(rounds).toContain(`<title>base, round ${round}: ${Number(ppl.toPrecision(4))}</title>`);
    }
    expect(rounds).toContain('aria-label="Perplexity of castle-street-keys over the rounds"');
    expect(rounds).toContain('Over simulated time');
  });

  it('shows masks, traffic, clock, devices, who took part, and what the server measured', async () => {
    const all = (await events()).filter(({ type }) => type === 'round');
    const picture = await readFile(join(dir, 'perfit.svg'));
    expect(sectionOf(page, 'masks')).toContain(`src="data:image/svg+xml;base64,${picture.toString('base64')}"`);
    const federation = sectionOf(page, 'federation');
    for (const title of ['Cumulative traffic', 'Simulated wall time', 'Who took part in which round'])
      expect(federation).toContain(`aria-label="${title}"`);
    expect(federation).toContain('phone &#38; co');
    for (const [key, label] of [
      ['dropped', 'dropped out'],
      ['late', 'late'],
    ] as const) {
      const some = all.find((event) => (event[key] as string[]).length > 0)!;
      expect(some, `a round with somebody ${key}`).toBeDefined();
      expect(federation).toContain(`<title>${(some[key] as string[])[0]}, round ${some.round}: ${label}</title>`);
    }
    const merging = sectionOf(page, 'merging');
    for (const name of ['Aggregation error', 'λ of the mutants', 'Mutation strength α_t', 'Share along the step, c'])
      expect(merging).toContain(name);
  });

  it('shows losses, data and settings', async () => {
    const losses = sectionOf(page, 'training');
    const first = (await events()).find(({ type }) => type === 'client') as { client: string; losses: number[] };
    expect(losses).toContain(`<title>loss, step 1: ${Number(first.losses[0]!.toPrecision(4))}</title>`);
    const data = sectionOf(page, 'data');
    expect(data).toContain('<title>ashgrove-caretakers, training: 8</title>');
    const partition = JSON.parse(await readFile(join(dir, 'partition.json'), 'utf8'));
    const [category, count] = Object.entries(partition.clients[0].categories)[0]!;
    expect(data).toContain(`<title>ashgrove-caretakers, ${category}: ${count}</title>`);
    const settings = sectionOf(page, 'settings');
    const [set, every] = settings.split('<details>');
    expect(set).toContain('<dt>finetune_steps</dt><dd>1</dd>');
    expect(set).not.toContain('<dt>beta_0</dt>');
    expect(every).toContain('<dt>beta_0</dt><dd>null</dd>');
  });

  it('shows what became of the rows, in all and of every owner', async () => {
    const partition = JSON.parse(await readFile(join(dir, 'partition.json'), 'utf8'));
    const data = sectionOf(page, 'data');
    for (const { id, rows, train, valid, test, dropped, cut } of partition.clients)
      expect(data).toContain(
        `>${id}</th><td>${rows}</td><td>${train + valid + test}</td><td>${dropped}</td><td>${cut}</td>`,
      );
    expect(data).not.toContain('why left out');
    const [first, ...others] = partition.clients;
    const altered = {
      ...partition,
      num_unlabelled: 5,
      left_out: [{ id: 'tiny', train: 1 }],
      reading: {
        ...partition.reading,
        ...{ rows: 900, bad: 12, weightless: 2, unusedColumns: { when: 3, mood: 1 } },
        reasons: Array.from({ length: 10 }, (_, i) => ({ reason: `reason ${i}`, count: i + 1, first: `a.jsonl:${i}` })),
      },
      clients: [
        {
          ...first,
          ...{ rows: 40, train: 20, valid: 5, test: 5, dropped: 7, cut: 3, targets_used: 300, targets_lost: 100 },
          dropped_why: { long: 4, empty: 0, refused: 2, repeated: 1 },
        },
        ...others.map((owner: object) => ({ ...owner, targets_used: 100, targets_lost: 0 })),
      ],
    };
    const lossy = join(folder, 'lossy');
    await cp(dir, lossy, { recursive: true });
    await writeFile(join(lossy, 'partition.json'), JSON.stringify(altered));
    const after = reportHtml(await readRecord(lossy));
    checkWellFormed(after);
    const section = sectionOf(after, 'data');
    expect(section).toContain('<td>40</td><td>30</td><td>7</td><td>3</td><td>25.0 %</td>');
    const reasons = '4 without a target in the first 128 tokens, 2 refused by the template, 1 held out';
    expect(section).toContain(`<td class="names">${reasons}`);
    // 100 of 400 + 7 x 100
    expect(/<tfoot>.*<\/tfoot>/s.exec(section)![0]).toContain('<td>9.1 %</td>');
    const list = sectionOf(after, 'data').split('<h3>Left out before training</h3>')[1]!;
    for (const line of [
      '<li>12 of 900 rows could not be used</li>',
      '<li>2 rows with weight 0</li>',
      '<li>5 examples without the label that the partition goes by</li>',
      '<li>too few training examples, not in the run: tiny (1 training example)</li>',
      '<li>unused columns: when, mood</li>',
      '<li><code>a.jsonl:0</code>: reason 0</li>',
      '<li><code>a.jsonl:7</code> and 7 more: reason 7</li>',
      '<li>and 2 more reasons, in partition.json</li>',
    ])
      expect(list).toContain(line);
    expect(list).not.toContain('reason 8');
  });

  it('has the curves of several runs in one page, by `fedtune compare --html`', async () => {
    const other = join(folder, '<other>');
    await cp(dir, other, { recursive: true });
    const html = join(folder, 'compared.html');
    await fedtune('compare', dir, other, '--html', html);
    const compared = await readFile(html, 'utf8');
    checkWellFormed(compared);
    expect(compared).not.toContain('<other>');
    expect(compared).not.toMatch(/<script|https?:\/\/(?!www.w3.org)/);
    const curves = sectionOf(compared, 'curves');
    const evaluations = (await events()).filter(({ type }) => type === 'evaluation') as {
      round: number;
      macro: Record<string, { ppl: number }>;
    }[];
    expect(curves.match(/<svg[^>]*role="img"/g)).toHaveLength(3);
    for (const name of ['run', '&#60;other&#62;']) {
      const points = [...curves.matchAll(new RegExp(`<title>${name}, round (\\d+): ([^<]*)</title>`, 'g'))];
      const drawn = points.slice(0, evaluations.length).map(([, round, value]) => [Number(round), Number(value)]);
      expect(drawn).toEqual(
        evaluations.map(({ round, macro }) => [round, Number((macro.personalized ?? macro.base)!.ppl.toPrecision(4))]),
      );
    }
    const { macro } = JSON.parse(await readFile(join(dir, 'metrics.json'), 'utf8'));
    expect(sectionOf(compared, 'scores')).toContain(`<td>${digits(macro.take_home.ppl)}</td>`);
    expect(sectionOf(compared, 'against')).toContain('<td>0.0 %</td>');
  });

  it('is written anew by `fedtune report`, which prints the scores and leaves nothing else behind', async () => {
    await rm(join(dir, 'report.html'));
    const { stdout, stderr } = await fedtune('report', 'run', '--tensorboard', 'tb');
    expect(stderr).toBe('');
    expect(stdout).toMatch(/^owner .*takes home\n/);
    expect(stdout).toContain(`report: ${join('run', 'report.html')}\n`);
    expect(await readFile(join(dir, 'report.html'), 'utf8')).toBe(page);
    const file = /^tensorboard: (.*)$/m.exec(stdout)![1]!;
    const bytes = await readFile(join(folder, file));
    expect(bytes.subarray(0, 12).toString('hex')).toBe('1800000000000000a37f4b22');
    for (const tag of [
      'valid_perplexity/mean/personalized',
      'loss/ashgrove-caretakers',
      'traffic/bytes_up',
      'server/mutants/lambda',
    ])
      expect(bytes.includes(tag), tag).toBe(true);
  });
});

describe('the report of a run that has not finished', () => {
  it('says so, and shows what there is', async () => {
    const cut = join(folder, 'cut');
    await cp(dir, cut, { recursive: true });
    await rm(join(cut, 'metrics.json'));
    const lines = (await readFile(join(dir, 'events.jsonl'), 'utf8')).split('\n');
    const end = lines.findIndex((line) => line.includes('"type":"evaluation","round":2'));
    await writeFile(join(cut, 'events.jsonl'), `${lines.slice(0, end + 1).join('\n')}\n{"time":"2026`);
    const page = reportHtml(await readRecord(cut));
    checkWellFormed(page);
    expect(page).toContain('<b>Not finished.</b> 2 of 4 rounds done');
    expect(page).toContain('The last line of events.jsonl');
    expect(page).toMatch(
      /mean perplexity (fell|rose) from [\d.]+ \(base\) to [\d.]+ \((global|local|personalized)\) after round 2\./,
    );
    expect(sectionOf(page, 'owners')).toBe('');
    for (const id of ['rounds', 'federation', 'training', 'data', 'settings']) expect(sectionOf(page, id)).not.toBe('');
  });

  it('is a page before the first event too', async () => {
    const record = await readRecord(await runFolder({}));
    const page = reportHtml(record);
    checkWellFormed(page);
    expect(page).toContain('0 of 10 rounds done');
  });

  it('is refused where there is no run', async () => {
    await expect(readRecord(join(folder, 'nowhere'))).rejects.toMatchObject({ code: 'NOT_A_RUN' });
  });
});

describe('a report of names from outside', () => {
  const HOSTILE = `"><script>alert(1)</script><img src=x onerror='x()'> & </title></svg>\u202E${'w'.repeat(300)}`;

  it('shows them as text, whatever they are', async () => {
    const inJson = JSON.stringify(HOSTILE).slice(1, -1);
    const replace = (text: string) =>
      text.replaceAll('ashgrove-caretakers', inJson).replaceAll('"appointment"', `"${inJson}"`);
    const failure = {
      time: '2026-01-01T00:00:00Z',
      type: 'client_failed',
      round: 1,
      client: HOSTILE,
      code: HOSTILE,
      message: HOSTILE,
    };
    const hostile = join(folder, 'hostile');
    await cp(dir, hostile, { recursive: true });
    const alter = async (name: string, change: (text: string) => string) =>
      writeFile(join(hostile, name), change(replace(await readFile(join(dir, name), 'utf8'))));
    await alter(
      'events.jsonl',
      (text) => `${text.replaceAll('"meanOverlap"', JSON.stringify(HOSTILE))}${JSON.stringify(failure)}\n`,
    );
    await alter('metrics.json', (text) => text.replace('fedtune tiny base', inJson));
    await alter('partition.json', (text) => {
      const partition = JSON.parse(text);
      const reading = {
        ...partition.reading,
        ...{ reasons: [{ reason: HOSTILE, count: 1, first: HOSTILE }], unusedColumns: { [HOSTILE]: 1 } },
      };
      return JSON.stringify({ ...partition, reading, left_out: [{ id: HOSTILE, train: 1 }] });
    });
    await writeFile(join(hostile, 'perfit.svg'), `<svg width="1"><script>alert(1)</script>${HOSTILE}</svg>`);
    const read = await readRecord(hostile);
    const devices = [{ ...read.config.devices[0]!, name: HOSTILE }];
    const record = { ...read, config: { ...read.config, strategy: HOSTILE, devices }, changed: ['strategy'] };
    const plain = attributeNames(reportHtml(await readRecord(dir)));
    const page = reportHtml(record);
    checkWellFormed(page);
    expect(page.match(/&#60;script&#62;alert\(1\)/g)!.length).toBeGreaterThan(20);
    expect(page.match(/<script/g)).toHaveLength(1);
    expect(/<img src="?x|\u202E/i.exec(page)).toBeNull();
    expect([...attributeNames(page)].filter((name) => !plain.has(name))).toEqual([]);
  });

  it('stays small where there are many owners and rounds', async () => {
    const ids = Array.from({ length: 1500 }, (_, i) => `owner-${i}`);
    const time = '2026-01-01T00:00:00Z';
    const scores = { base: { nll: 1, ppl: Math.E }, global: { nll: 0.5, ppl: Math.exp(0.5) } };
    const lines: object[] = [{ type: 'start', kernels: 'avx2', clients: ids.map((id) => ({ id, numTrain: 9 })) }];
    for (let round = 1; round <= 100; round++) {
      const asked = ids.slice(round, round + 10);
      for (const client of asked)
        lines.push({ type: 'client', round, client, losses: new Array(20).fill(1), seconds: 1 });
      lines.push({
        type: 'round',
        round,
        clients: asked,
        loss: 1,
        bytes_up: 1e6,
        bytes_down: 1e6,
        metrics: { aggregationError: 0.1 },
      });
      const clients = round % 25 === 0 ? Object.fromEntries(ids.map((id) => [id, scores])) : undefined;
      if (clients) lines.push({ type: 'evaluation', round, split: 'valid', macro: scores, clients });
    }
    const events = lines.map((line) => `${JSON.stringify({ time, ...line })}\n`).join('');
    const record = await readRecord(await runFolder({ 'events.jsonl': events }, { num_rounds: 100 }));
    const page = reportHtml(record);
    checkWellFormed(page);
    expect(page.length).toBeLessThan(1_000_000);
    expect(page).toContain(
      '24 of 1500 owners: the 8 with the lowest perplexity, 8 in the middle and the 8 with the highest.',
    );
  });
});
