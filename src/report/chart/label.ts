/** A name for a place that is narrow; the whole one belongs into a title. */
export { shown as shorten } from '../../text.js';
