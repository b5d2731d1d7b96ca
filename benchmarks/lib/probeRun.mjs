/** Runs one probe in a process of its own and prints one JSON line; started by benchmarks/scaling.mjs. */
import { PROBES } from './probes.mjs';

const [name, settings] = process.argv.slice(2);
const result = await PROBES[name](JSON.parse(settings));
console.log(JSON.stringify({ ...result, peak_rss_bytes: process.resourceUsage().maxRSS * 1024 }));
