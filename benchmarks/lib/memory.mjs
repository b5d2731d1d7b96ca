import { readdirSync, readFileSync } from 'node:fs';

function readText(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // The process ended between listing and reading.
    return '';
  }
}

/** Ids of a process and everything below it, now; empty where /proc does not exist. */
function treeOf(root) {
  let entries = [];
  try {
    entries = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  } catch {
    return [];
  }
  const parents = new Map();
  for (const pid of entries) {
    // "pid (name) state ppid ..."; the name may hold spaces and parentheses.
    const stat = readText(`/proc/${pid}/stat`);
    const parent = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1];
    if (parent !== undefined) parents.set(pid, parent);
  }
  const inTree = (pid) => pid === root || (parents.has(pid) && pid !== '1' && inTree(parents.get(pid)));
  return [...parents.keys()].filter(inTree);
}

function residentBytes(pid) {
  const resident = /^VmRSS:\s+(\d+) kB/m.exec(readText(`/proc/${pid}/status`));
  return resident ? Number(resident[1]) * 1024 : 0;
}

/** Resident bytes of a process now; 0 where /proc does not exist. */
export const residentNow = (pid = process.pid) => residentBytes(String(pid));

/**
 * Watches the process tree below `pid`; `stop()` gives the most resident bytes seen, the processes of the tree added up
 * (pages that they share count in each). New processes are looked for once in ten looks, so that watching costs little.
 */
export function watchTree(pid, everyMs = 100) {
  let peak = 0;
  let looks = 0;
  let tree = [];
  const timer = setInterval(() => {
    if (looks++ % 10 === 0) tree = treeOf(String(pid));
    peak = Math.max(
      peak,
      tree.reduce((total, id) => total + residentBytes(id), 0),
    );
  }, everyMs);
  return {
    stop() {
      clearInterval(timer);
      return peak;
    },
  };
}
