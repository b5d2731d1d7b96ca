/** Values a block and bytes a block of a ggml type. */
export interface GgmlType {
  readonly name: string;
  readonly blockSize: number;
  readonly blockBytes: number;
}

/** Every weight type that ggml can dequantise, by its number in the file (ggml.h, `enum ggml_type`). */
export const GGML_TYPES: ReadonlyMap<number, GgmlType> = new Map(
  (
    [
      [0, 'F32', 1, 4],
      [1, 'F16', 1, 2],
      [2, 'Q4_0', 32, 18],
      [3, 'Q4_1', 32, 20],
      [6, 'Q5_0', 32, 22],
      [7, 'Q5_1', 32, 24],
      [8, 'Q8_0', 32, 34],
      [10, 'Q2_K', 256, 84],
      [11, 'Q3_K', 256, 110],
      [12, 'Q4_K', 256, 144],
      [13, 'Q5_K', 256, 176],
      [14, 'Q6_K', 256, 210],
      [16, 'IQ2_XXS', 256, 66],
      [17, 'IQ2_XS', 256, 74],
      [18, 'IQ3_XXS', 256, 98],
      [19, 'IQ1_S', 256, 50],
      [20, 'IQ4_NL', 32, 18],
      [21, 'IQ3_S', 256, 110],
      [22, 'IQ2_S', 256, 82],
      [23, 'IQ4_XS', 256, 136],
      [29, 'IQ1_M', 256, 56],
      [30, 'BF16', 1, 2],
      [34, 'TQ1_0', 256, 54],
      [35, 'TQ2_0', 256, 66],
      [39, 'MXFP4', 32, 17],
    ] as const
  ).map(([id, name, blockSize, blockBytes]) => [id, { name, blockSize, blockBytes }]),
);

export const GGML_F32 = 0;
export const GGML_F16 = 1;
export const GGML_Q8_0 = 8;
export const GGML_BF16 = 30;

/** The type of that number, or undefined where it does not exist or cannot be dequantised. */
export function ggmlType(id: number): GgmlType | undefined {
  return GGML_TYPES.get(id);
}

/** Names of all types that work, for error messages. */
export function ggmlTypeNames(): string {
  return [...GGML_TYPES.values()].map((type) => type.name).join(', ');
}

/** Bytes of a tensor; undefined where its rows are no whole number of blocks. */
export function tensorBytes(type: GgmlType, ne: readonly number[]): number | undefined {
  if (ne[0]! % type.blockSize !== 0) return undefined;
  return (ne.reduce((product, n) => product * n, 1) / type.blockSize) * type.blockBytes;
}
