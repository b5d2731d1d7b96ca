#include "peak.h"

#include <atomic>
#include <chrono>
#include <functional>
#include <thread>
#include <vector>

#include "../engine/memory.h"
#include "peak_loops.h"

namespace ft {

namespace {

// Runs fn on every thread at once, several times; the best rate of all threads together.
double best_rate(int threads, double work, const std::function<void(int)>& fn) {
  double best = 0;
  for (int repeat = 0; repeat < 5; repeat++) {
    std::vector<std::thread> pool;
    const auto t0 = std::chrono::steady_clock::now();
    for (int i = 1; i < threads; i++) pool.emplace_back(fn, i);
    fn(0);
    for (auto& t : pool) t.join();
    const double s = std::chrono::duration<double>(std::chrono::steady_clock::now() - t0).count();
    best = std::max(best, work * threads / s / 1e9);
  }
  return best;
}

double loop_rate(const PeakLoop& loop, int threads) {
  if (!loop.run) return 0;
  constexpr int64_t kRounds = 4000000;
  return best_rate(threads, static_cast<double>(kRounds) * loop.operations, [&](int) { loop.run(kRounds); });
}

}  // namespace

Peak measure_peak(int threads) {
  Peak p;
  p.fp32 = loop_rate(peak_fp32(), threads);
  p.bf16 = loop_rate(peak_bf16(), threads);
  p.int8 = loop_rate(peak_int8(), threads);
  // As much as merging 64 adapters of 5 M values reads: no cache holds it.
  constexpr size_t kBytes = size_t{5} << 28;
  const Buffer memory(kBytes);
  std::memset(memory.data(), 1, kBytes);
  std::atomic<uint64_t> sink{0};
  const size_t each = kBytes / sizeof(uint64_t) / threads;
  p.read = best_rate(threads, static_cast<double>(each * sizeof(uint64_t)), [&](int i) {
    const uint64_t* x = memory.as<uint64_t>() + each * i;
    uint64_t a = 0, b = 0, c = 0, d = 0;
    for (size_t j = 0; j + 32 <= each; j += 32)
      for (size_t l = 0; l < 32; l += 4) a += x[j + l], b += x[j + l + 1], c += x[j + l + 2], d += x[j + l + 3];
    sink += a + b + c + d;
  });
  return p;
}

}  // namespace ft
