/** A name cut to at most so many characters, for places that are narrow; the whole one belongs into a title. */
export function shorten(text: string, most: number): string {
  const characters = [...text];
  return characters.length <= most ? text : `${characters.slice(0, most - 1).join('')}…`;
}
