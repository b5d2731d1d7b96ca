import { isAbsolute, resolve } from 'node:path';
import type { RunConfig } from './schema.js';

const isLocal = (spec: string): boolean => spec !== 'embedded' && !spec.startsWith('hf:') && !isAbsolute(spec);

/** Names of templates have neither dot nor slash. */
const isFile = (template: string): boolean => /[./\\]/.test(template);

/** The same configuration with the paths in it absolute, where they were relative to `from`; for reading from another folder. */
export function absolutePaths(config: RunConfig, from: string): RunConfig {
  const absolute = (spec: string): string => (isLocal(spec) ? resolve(from, spec) : spec);
  const { model, data, template, strategy, federation } = config;
  return {
    ...config,
    model: absolute(model),
    data: typeof data === 'string' ? absolute(data) : data.map(absolute),
    template: isFile(template) ? absolute(template) : template,
    strategy: strategy === null ? null : absolute(strategy),
    federation: federation === null ? null : resolve(from, federation),
  };
}
