import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { RunConfig } from '../config/schema.js';
import { TEMPLATE_IDS } from '../data/templates/resolve.js';

/** The configuration with the files that it names (base, template, strategy) by absolute paths, for who works in another folder. */
export function withAbsolutePaths(config: RunConfig, cwd = process.cwd()): RunConfig {
  const { model, template, strategy } = config;
  const isElsewhere = model === 'embedded' || model.startsWith('hf:');
  const isFile = !(TEMPLATE_IDS as readonly string[]).includes(template) && existsSync(resolve(cwd, template));
  return {
    ...config,
    model: isElsewhere ? model : resolve(cwd, model),
    template: isFile ? resolve(cwd, template) : template,
    strategy: strategy === null ? null : resolve(cwd, strategy),
  };
}
