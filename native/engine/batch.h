// Packed sequences that do not see each other.
#pragma once
#include <cstdint>

#include "description.h"

namespace ft {

struct Batch {
  const int32_t* tokens = nullptr;   // [count], sequence after sequence
  const uint8_t* mask = nullptr;     // [count] 1 where the token is a target; the first of a sequence never is
  const int32_t* lengths = nullptr;  // [sequences]
  int count = 0, sequences = 0;
};

// Tokens of the batch that count as targets.
int targets(const Batch& b);
// Throws BAD_ARGUMENT, TOKEN_RANGE, CONTEXT_LENGTH.
void check(const Batch& b, const Description& d);

struct Dropout {
  float rate = 0;
  uint32_t seed = 0;
};

}  // namespace ft
