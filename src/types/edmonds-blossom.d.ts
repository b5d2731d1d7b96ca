declare module 'edmonds-blossom' {
  /** Maximum-weight matching of a general graph. Returns for each vertex its partner, or -1. */
  export default function blossom(
    edges: [from: number, to: number, weight: number][],
    maxCardinality?: boolean,
  ): number[];
}
