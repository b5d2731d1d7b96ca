import { readFileSync } from 'node:fs';

function readText(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // The process ended between listing and reading.
    return '';
  }
}

function residentBytes(pid) {
  const resident = /^VmRSS:\s+(\d+) kB/m.exec(readText(`/proc/${pid}/status`));
  return resident ? Number(resident[1]) * 1024 : 0;
}

/** Resident bytes of a process now; 0 where /proc does not exist. */
export const residentNow = (pid = process.pid) => residentBytes(String(pid));
