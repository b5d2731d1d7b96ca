import { relative, resolve } from 'node:path';
import type { Command } from 'commander';
import { readRecord } from '../report/record.js';
import { scoreTable } from '../report/table.js';
import { writeReport, writeTensorBoard } from '../report/write.js';
import type { CliContext } from './context.js';

/** `fedtune report RUN`. */
export function addReportCommand(program: Command, context: CliContext): void {
  program
    .command('report')
    .description('print the scores of a run and write its report.html, finished or not')
    .argument('<run>', 'run folder')
    .option('--tensorboard <dir>', 'write its curves into this folder, for TensorBoard')
    .action(async (run: string, flags: { tensorboard?: string }) => {
      const record = await readRecord(run);
      if (record.metrics) context.stdout.write(`${scoreTable(record.metrics, context.stdout.isTTY)}\n`);
      const path = await writeReport(run, record, resolve(run, `report.html.${process.pid}.tmp`));
      context.stdout.write(`report: ${relative(process.cwd(), path)}\n`);
      if (flags.tensorboard === undefined) return;
      const events = await writeTensorBoard(flags.tensorboard, record);
      context.stdout.write(`tensorboard: ${relative(process.cwd(), events)}\n`);
    });
}
