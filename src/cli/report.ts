import { relative, resolve } from 'node:path';
import type { Command } from 'commander';
import { scoreTable } from '../report/table.js';
import { readRecord, writeReport } from '../run/report.js';
import type { CliContext } from './context.js';

/** `fedtune report RUN`. */
export function addReportCommand(program: Command, context: CliContext): void {
  program
    .command('report')
    .description('print the scores of a run and write its report.html, finished or not')
    .argument('<run>', 'run folder')
    .action(async (run: string) => {
      const record = await readRecord(run);
      if (record.metrics) context.stdout.write(`${scoreTable(record.metrics, context.stdout.isTTY)}\n`);
      const path = await writeReport(run, record, resolve(run, `report.html.${process.pid}.tmp`));
      context.stdout.write(`${relative(process.cwd(), path)}\n`);
    });
}
