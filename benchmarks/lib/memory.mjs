import { readdirSync, readFileSync } from 'node:fs';

function readText(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // The process ended between listing and reading.
    return '';
  }
}

/** Resident bytes of a process and everything below it, now; 0 where /proc does not exist. */
function treeBytes(root) {
  const parents = new Map();
  let entries = [];
  try {
    entries = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  } catch {
    return 0;
  }
  for (const pid of entries) {
    // "pid (name) state ppid ..."; the name may hold spaces and parentheses.
    const stat = readText(`/proc/${pid}/stat`);
    const parent = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1];
    if (parent !== undefined) parents.set(pid, parent);
  }
  const inTree = (pid) => pid === root || (parents.has(pid) && pid !== '1' && inTree(parents.get(pid)));
  let total = 0;
  for (const pid of parents.keys()) {
    if (!inTree(pid)) continue;
    const resident = /^VmRSS:\s+(\d+) kB/m.exec(readText(`/proc/${pid}/status`));
    total += resident ? Number(resident[1]) * 1024 : 0;
  }
  return total;
}

/** Watches the process tree below `pid`; `stop()` gives the most resident bytes seen. */
export function watchTree(pid, everyMs = 100) {
  let peak = 0;
  const timer = setInterval(() => {
    peak = Math.max(peak, treeBytes(String(pid)));
  }, everyMs);
  return {
    stop() {
      clearInterval(timer);
      return peak;
    },
  };
}
