declare module 'quadprog' {
  /** All arrays count from 1 (index 0 is unused): min 1/2 x'Dx - d'x subject to A'x >= b. */
  export interface QuadprogResult {
    solution: number[];
    value: number[];
    /** '' where it was solved. */
    message: string;
  }
  const quadprog: {
    solveQP(D: number[][], d: number[], A: number[][], b?: number[], meq?: number): QuadprogResult;
  };
  export default quadprog;
}
