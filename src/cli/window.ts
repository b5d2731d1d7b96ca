import open from 'open';
import type { RunProgress } from '../contracts/progress.js';
import { type LiveReport, serveReport } from '../report/live.js';
import { RunStatus } from '../report/status.js';

const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** What says on Linux that there is a browser; without one xdg-open would begin one of text behind the progress. */
const SIGNS = ['DISPLAY', 'WAYLAND_DISPLAY', 'BROWSER', 'WSL_DISTRO_NAME'];

/** Whether a browser can be expected here. */
export const expectsBrowser = (platform: NodeJS.Platform, env: NodeJS.ProcessEnv): boolean =>
  platform === 'win32' || platform === 'darwin' || SIGNS.some((name) => env[name]);

/** Serves the report of a run folder and shows it in the browser; where there is none, the address that is said is enough. */
export async function openReport(
  dir: string,
  say: (line: string) => void,
  owners: readonly string[] = [],
): Promise<LiveReport> {
  const report = await serveReport({
    dir,
    owners,
    onWarning: (error) => say(`warning: no report: ${reasonOf(error)}`),
  });
  say(`live report, on this machine alone: ${report.url}`);
  if (!expectsBrowser(process.platform, process.env)) return report;
  // A browser that cannot be started says so by an event of its process.
  await open(report.url).then(
    (child) => child.on('error', () => {}),
    () => {},
  );
  return report;
}

/** The page of a run that goes on in this process. Nothing that goes wrong with it ends the run. */
export class RunWindow {
  readonly #dir: string;
  readonly #say: (line: string) => void;
  readonly #status = new RunStatus();
  #report: Promise<LiveReport | undefined> | undefined;

  constructor(dir: string, say: (line: string) => void) {
    this.#dir = dir;
    this.#say = say;
  }

  update(progress: RunProgress): void {
    this.#status.update(progress);
    // From here on the folder is that of this run.
    if (progress.kind === 'prepared') {
      this.#report = openReport(this.#dir, this.#say).catch((error: unknown) => {
        this.#say(`warning: the live report cannot be served; the run goes on without. ${reasonOf(error)}`);
        return undefined;
      });
    }
    void this.#report?.then((report) => report?.show(this.#status.now.live));
  }

  async close(): Promise<void> {
    const last = `The run has ended. This page stays as it is; it is also in ${this.#dir}/report.html.`;
    await (await this.#report)?.close(last);
  }
}
