// Runs kernels over the threads of a pool, with scratch that is kept from call to call, and notes how long each took.
#pragma once
#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "../kernels/kernels.h"
#include "memory.h"
#include "pool.h"
#include "timer.h"

namespace ft {

struct Sequence {
  int first = 0, length = 0;  // rows of the batch
};

class Runner {
 public:
  Runner(const KernelSet& kernels, int threads) : k(kernels), pool_(threads), scratch_(threads) {}
  const KernelSet& k;

  void gemm(const char* name, const Gemm& g);
  // Forward, or backward. The heads of a sequence of more than kLong tokens are tasks of their own, whatever the
  // threads; else those of one kv head are one.
  void attention(const char* name, const Attention& a, const std::vector<Sequence>& sequences, bool backward);

  // fn(t0, t1) over ranges that make up 0 .. count.
  template <class Fn>
  void rows(const char* name, int count, const Fn& fn) {
    Timer timer(profile_, name);
    if (pool_.threads() == 1) return fn(0, count);
    const int parts = std::max(1, std::min(4 * pool_.threads(), count / 16));
    tasks(parts, [&](int i, int) { fn(part(count, i, parts), part(count, i + 1, parts)); });
  }
  // fn(task, thread) for 0 .. count. Takes no memory: what the pool is handed holds one pointer.
  template <class Fn>
  void tasks(int count, const Fn& fn) {
    pool_.run(count, [&fn](int i, int thread) { fn(i, thread); });
  }

  std::map<std::string, double>& profile() { return profile_; }
  size_t bytes() const;

 private:
  static int part(int count, int i, int parts) { return static_cast<int>(static_cast<int64_t>(count) * i / parts); }
  void grow(size_t bytes);
  View unpacked(const View& w, int rows);
  void add_heads(const Attention& a, const Sequence& s, int tokens);
  void product(const Gemm& g);

  static constexpr int kLong = 512;

  Pool pool_;
  std::vector<Buffer> scratch_;        // of each thread
  Buffer packed_;                      // rows of the product at hand
  Buffer head_sums_;                   // dk and dv of each query head of a long sequence, [heads][2][T][head_dim] f32
  Buffer unpacked_, unpacked_scales_;  // the weights of the product at hand, where they are kept in 4 bits
  std::map<std::string, double> profile_;
};

}  // namespace ft
