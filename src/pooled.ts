/** Stands in the place of a client where the examples of all of them are trained on together (`centralized`). */
export const POOLED = '*';
