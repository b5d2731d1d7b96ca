#include "batch.h"

#include "error.h"

namespace ft {

int targets(const Batch& b) {
  int n = 0, at = 0;
  for (int i = 0; i < b.sequences; at += b.lengths[i++])
    for (int t = 1; t < b.lengths[i]; t++) n += b.mask[at + t] != 0;
  return n;
}

void check(const Batch& b, const Description& d) {
  auto text = [](int64_t n) { return std::to_string(n); };
  if (b.count == 0) throw Error("BAD_ARGUMENT", "Expected a batch with tokens but received an empty one.");
  int64_t sum = 0;
  for (int i = 0; i < b.sequences; i++) {
    if (b.lengths[i] < 1)
      throw Error("BAD_ARGUMENT", "Expected sequence lengths of at least 1 but received " + text(b.lengths[i]) + ".");
    if (b.lengths[i] > d.context)
      throw Error("CONTEXT_LENGTH", "A sequence of " + text(b.lengths[i]) +
                                        " tokens is longer than the model's context of " + text(d.context) +
                                        ". Lower seq_length.");
    sum += b.lengths[i];
  }
  if (sum != b.count)
    throw Error(
        "BAD_ARGUMENT", "Sequence lengths sum to " + text(sum) + " but the batch has " + text(b.count) + " tokens.");
  for (int i = 0; i < b.count; i++)
    if (b.tokens[i] < 0 || b.tokens[i] >= d.vocab)
      throw Error("TOKEN_RANGE", "Token " + text(b.tokens[i]) + " at position " + text(i) +
                                     " is outside the vocabulary of " + text(d.vocab) +
                                     ". The text was encoded with another tokenizer.");
}

}  // namespace ft
