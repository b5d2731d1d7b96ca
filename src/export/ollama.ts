import { AdapterError } from '../errors.js';

export interface ModelfileParts {
  /** A name of Ollama's library, or a path from the folder of the Modelfile. */
  readonly from: string;
  readonly adapter: string;
  /** Go's text/template. */
  readonly template: string;
  readonly stop?: string | undefined;
}

/**
 * A Modelfile (https://docs.ollama.com/modelfile): base, adapter, the template that was trained. Throws AdapterError BAD_TEMPLATE
 * where the template holds `"""`, which a Modelfile has no way to say.
 */
export function modelfile({ from, adapter, template, stop }: ModelfileParts): string {
  if (`${template}${stop ?? ''}`.includes('"""'))
    throw new AdapterError(
      'BAD_TEMPLATE',
      'Expected a template without """, which ends a text of a Modelfile. Change it.',
    );
  const lines = [`FROM ${from}`, `ADAPTER ${adapter}`, `TEMPLATE """${template}"""`];
  if (stop !== undefined) lines.push(`PARAMETER stop """${stop}"""`);
  return `${lines.join('\n')}\n`;
}
