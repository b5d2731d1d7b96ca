// The weights of a base model in memory.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "../kernels/kernels.h"
#include "description.h"
#include "mapped_file.h"
#include "memory.h"

namespace ft {

enum class Precision : uint8_t { F32, Int8, Int4 };

// Throws BAD_ARGUMENT.
Precision precision_by_name(const std::string& name);
const char* name_of(Precision precision);

// Narrower matrices than this are kept in bf16 where others are int8 or int4: rounding averages out over long rows
// only, and there is little to save.
constexpr int kNarrow = 256;

// A frozen matrix [n, k], possibly several stacked; F32, BF16, Q8 or Q4.
struct Weight {
  int n = 0, k = 0;
  Buffer values, scales;
  View view;                // [n][k]
  std::vector<float> bias;  // empty or n
};

struct Layer {
  Weight qkv, o, gate_up, down;  // qkv: rows of q, k, v one after the other; gate_up: gate, up
  std::vector<float> attn_norm, ffn_norm, post_attn_norm, post_ffn_norm, q_norm, k_norm;  // empty where there is none
};

// Columns from .. from + count of a row of a weight as f32; `from` is a multiple of kGroup. Not of Q4.
void read_row(const View& w, int64_t row, int from, int count, float* out);

// Read-only after construction; shared by every trainer of the process.
class Base {
 public:
  // Throws BAD_MODEL, MISSING_TENSOR, BAD_SHAPE, UNSUPPORTED_TYPE, TRUNCATED, UNSUPPORTED_CPU, GGML_LOAD,
  // OUT_OF_MEMORY.
  // `identity` is the description as text: a base that is open is shared where that, its files (as they are now,
  // whatever their names), precision and kernels are the same.
  static std::shared_ptr<const Base> open(const Description& d, const std::string& identity, Precision precision,
      const std::string& kernels, const std::string& ggml);

  Description desc;
  Precision precision = Precision::F32;
  const KernelSet* kernels = nullptr;
  std::vector<Layer> layers;
  Weight embedding, head;  // head empty: tied; both in int8 where the layers are int4
  std::vector<float> final_norm;
  size_t bytes = 0;

  Dtype act() const { return precision == Precision::F32 ? Dtype::F32 : Dtype::BF16; }
  const Weight& output() const { return head.n ? head : embedding; }

 private:
  void load(const std::string& ggml, const std::vector<MappedFile>& files);
};

}  // namespace ft
