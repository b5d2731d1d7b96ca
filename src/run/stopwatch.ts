/** Seconds of a run, over all its parts. */
export interface RunSeconds {
  /** On the wall. */
  readonly seconds: number;
  /** Of clients at work. */
  readonly trainSeconds: number;
}

/** Counts the time of a run; one that is resumed goes on from what was saved. */
export class Stopwatch {
  readonly #started = performance.now();
  #before = 0;
  #trainSeconds = 0;

  goOn({ seconds, trainSeconds }: RunSeconds): void {
    this.#before = seconds;
    this.#trainSeconds = trainSeconds;
  }

  train(seconds: number): void {
    this.#trainSeconds += seconds;
  }

  read(): RunSeconds {
    return { seconds: this.#before + (performance.now() - this.#started) / 1000, trainSeconds: this.#trainSeconds };
  }
}
