// What the compiler leaves out of dist/: the script of the report, and the schema of the run file for editors.
import { cpSync, writeFileSync } from 'node:fs';

const root = new URL('../', import.meta.url);
cpSync(new URL('src/report/page/browser.js', root), new URL('dist/report/page/browser.js', root));
const { configJsonSchema } = await import(new URL('dist/config/dump.js', root).href);
writeFileSync(new URL('dist/run.schema.json', root), `${JSON.stringify(configJsonSchema(), null, 2)}\n`);
