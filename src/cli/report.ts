import { relative, resolve } from 'node:path';
import type { Command } from 'commander';
import { ConfigError } from '../errors.js';
import { evaluateRun } from '../eval/ofRun.js';
import type { LiveStatus } from '../report/live.js';
import { ProgressDisplay } from '../report/progress.js';
import { ownersOf, type RunRecord, readRecord } from '../report/record.js';
import { scoreTable } from '../report/table.js';
import { writeReport, writeTensorBoard } from '../report/write.js';
import { didYouMean, namesOf } from '../run/ownerNames.js';
import { shellWord, shown } from '../text.js';
import type { CliContext } from './context.js';
import { followRun, lookAt } from './follow.js';
import { wholeNumber } from './numbers.js';
import { openReport } from './window.js';

/** Serves the report until Ctrl-C, which is how this is meant to end. */
async function watchUntilStopped(
  run: string,
  owners: readonly string[],
  { signal, stdout }: CliContext,
): Promise<void> {
  const report = await openReport(run, (line) => stdout.write(`${line}\n`), owners);
  let last: LiveStatus | undefined;
  for await (const now of lookAt(run, signal)) {
    if (now) report.show(now.live);
    else if (last) report.show({ ...last, text: 'The run has ended, or was interrupted.' });
    last = now?.live;
  }
  await report.close('No longer followed. This page stays as it is; `fedtune report RUN --open` shows it anew.');
}

/** Shows how far the run is until it ends; false where that was not waited for. */
async function follow(run: string, { signal, stderr }: CliContext): Promise<boolean> {
  const wasThere = await followRun(run, stderr, signal);
  if (signal.aborted) return false;
  if (!wasThere) stderr.write('Nothing to follow: the run does not go on at the moment.\n');
  else if ((await readRecord(run)).metrics === undefined)
    stderr.write(`The run was cut before its end. Go on with: fedtune run --resume ${shellWord(run)}\n`);
  return true;
}

interface ReportFlags {
  readonly open?: boolean;
  readonly follow?: boolean;
  readonly tensorboard?: string;
  readonly cross?: boolean;
  readonly text?: readonly string[];
  readonly limit?: number;
  readonly owners?: readonly string[];
}

/** Scores what the report is to show besides. */
async function scoreMore(
  run: string,
  { cross, text, limit }: ReportFlags,
  { stderr, signal }: CliContext,
): Promise<void> {
  if (!cross && !text) return;
  const display = new ProgressDisplay(stderr);
  try {
    await evaluateRun(run, {
      ...{ cross, limit, signal, texts: text },
      onProgress: (done, total, name) => display.status(`scoring ${name}: ${Math.floor((100 * done) / total)} %`),
    });
  } finally {
    display.close();
  }
}

/** Throws ConfigError UNKNOWN_CLIENT where one of these is no owner of the run. */
function checkOwners(record: RunRecord, owners: readonly string[]): void {
  const ids = ownersOf(record);
  const stranger = owners.find((owner) => !ids.includes(owner));
  if (stranger === undefined) return;
  throw new ConfigError(
    `Expected --owners of this run (${namesOf(ids)}) but received "${shown(stranger)}".${didYouMean(stranger, ids)}`,
    { code: 'UNKNOWN_CLIENT' },
  );
}

const EXAMPLES = `
Examples:
  fedtune report runs/mine
  fedtune report runs/mine --follow
  fedtune report runs/mine --owners north south
  fedtune report runs/mine --cross --text wiki.test.txt`;

/** `fedtune report RUN`. */
export function addReportCommand(program: Command, context: CliContext): void {
  program
    .command('report')
    .description('print the scores of a run and write its report.html, finished or not')
    .argument('<run>', 'run folder')
    .option('--tensorboard <dir>', 'write its curves into this folder, for TensorBoard')
    .option(
      '--open',
      'show it in the browser, following the run where it goes on, until Ctrl-C; served on this machine alone',
    )
    .option('--follow', 'show here how far a run of another process is, until it ends')
    .option('--cross', "score everybody's adapter on everybody's test examples as well (of a simulation)")
    .option('--text <file...>', 'score every adapter on a general text as well: what was forgotten')
    .option('--limit <n>', 'with --cross: at most this many test examples of each owner', wholeNumber)
    .option('--owners <name...>', 'draw these owners as well; of many owners the report draws 24')
    .addHelpText('after', EXAMPLES)
    .action(async (run: string, flags: ReportFlags) => {
      if (flags.follow && !(await follow(run, context))) return;
      await scoreMore(run, flags, context);
      const { owners = [] } = flags;
      const record = { ...(await readRecord(run)), asked: owners };
      checkOwners(record, owners);
      if (record.metrics) context.stdout.write(`${scoreTable(record.metrics, context.stdout.isTTY)}\n`);
      const path = await writeReport(run, record, resolve(run, `report.html.${process.pid}.tmp`));
      context.stdout.write(`report: ${relative(process.cwd(), path)}\n`);
      if (flags.tensorboard !== undefined) {
        const events = await writeTensorBoard(flags.tensorboard, record);
        context.stdout.write(`tensorboard: ${relative(process.cwd(), events)}\n`);
      }
      if (flags.open) await watchUntilStopped(run, owners, context);
    });
}
