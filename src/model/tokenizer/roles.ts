/** Tokens that end a turn, by the names that chat models give them. */
export const END_OF_TURN: readonly string[] = ['<|im_end|>', '<|eot_id|>', '<end_of_turn>', '<|end|>'];
