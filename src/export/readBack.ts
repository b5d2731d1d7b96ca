import { type Adapter, HF_NAMES } from '../adapter/layout.js';
import { AdapterError } from '../errors.js';
import { factors } from './modules.js';

/** Relative difference that folding a scale into B may make in f32. */
const TOLERANCE = 1e-5;

/** Throws AdapterError READ_BACK where what is in a file is not the adapter that was written. */
export function checkReadBack(written: Adapter, read: Adapter, path: string): void {
  const modules = new Map(read.layout.modules.map((module) => [module.module, module]));
  for (const module of written.layout.modules) {
    const other = modules.get(module.module);
    const wrong = (what: string) =>
      new AdapterError(
        'READ_BACK',
        `${path} does not hold what was written: ${module.module} (${HF_NAMES[module.target]}) ${what}. The disk may be faulty; export again.`,
      );
    if (other === undefined || other.rank !== module.rank) throw wrong('is missing or has another rank');
    const [mine, theirs] = [factors(written.values, module), factors(read.values, other)];
    if (mine.a.some((value, i) => value !== theirs.a[i])) throw wrong('has another A');
    const near = mine.b.every((value, i) => {
      const [x, y] = [value * module.scale, theirs.b[i]! * other.scale];
      return Math.abs(x - y) <= TOLERANCE * Math.abs(x);
    });
    if (!near) throw wrong('has another B');
  }
  if (modules.size !== written.layout.modules.length) {
    throw new AdapterError(
      'READ_BACK',
      `${path} holds ${modules.size} modules but ${written.layout.modules.length} were written.`,
    );
  }
}
