import { readdirSync, readFileSync } from 'node:fs';

const TICKS = 100;

function read(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // The process ended between listing and reading.
    return '';
  }
}

/** Fields of /proc/<pid>/stat behind the name, which may hold anything. */
const statOf = (pid) => {
  const text = read(`/proc/${pid}/stat`);
  return text === '' ? undefined : text.slice(text.lastIndexOf(')') + 2).split(' ');
};

/** Processes by their parent. */
function children() {
  const found = new Map();
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    const parent = Number(statOf(pid)?.[1]);
    if (!found.has(parent)) found.set(parent, []);
    found.get(parent).push(Number(pid));
  }
  return found;
}

/** These processes and all that descend from them. */
function treesOf(roots) {
  const byParent = children();
  const all = [];
  const add = (pid) => {
    all.push(pid);
    for (const child of byParent.get(pid) ?? []) add(child);
  };
  for (const root of roots) add(root);
  return all;
}

/** Seconds of all cores that these processes took, and those below them, ended ones that were waited for too. */
export function treeCpuSeconds(roots) {
  let ticks = 0;
  for (const pid of treesOf(roots)) {
    const fields = statOf(pid);
    if (fields) for (const field of [11, 12, 13, 14]) ticks += Number(fields[field]);
  }
  return ticks / TICKS;
}

/** Bytes of memory of these processes and those below them, each page that several share counted once (PSS). */
export function treeBytes(roots) {
  let kilobytes = 0;
  for (const pid of treesOf(roots)) {
    kilobytes += Number(/^Pss:\s+(\d+) kB/m.exec(read(`/proc/${pid}/smaps_rollup`))?.[1] ?? 0);
  }
  return 1024 * kilobytes;
}

/** Ends these processes and all below them. */
export function killTrees(roots) {
  for (const pid of treesOf(roots)) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It has ended already.
    }
  }
}

/** Looks at the memory of several sides again and again: the most that each had, until `stop`. `sides`: roots by name. */
export function watchMemory(sides, everyMs = 250) {
  const peak = Object.fromEntries(Object.keys(sides).map((name) => [name, 0]));
  const look = () => {
    for (const [name, roots] of Object.entries(sides)) peak[name] = Math.max(peak[name], treeBytes(roots()));
  };
  const timer = setInterval(look, everyMs);
  return {
    /** Forgets what was seen so far. */
    begin: () => {
      for (const name of Object.keys(peak)) peak[name] = 0;
    },
    stop: () => {
      clearInterval(timer);
      look();
      return peak;
    },
  };
}
