// Aligned buffers. Allocation failure is an Error, never an abort.
#pragma once
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "error.h"

#ifdef __linux__
#include <sys/mman.h>
#endif

namespace ft {

// Zeroed, 64-byte aligned, move-only. Untouched pages of a large buffer cost no memory.
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(size_t bytes) : size_(bytes) {
    if (bytes == 0) return;
#ifdef __linux__
    // Memory of its own: an arena of malloc's keeps for its thread what another one frees there.
    if (bytes >= kOwn) {
      void* p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      raw_ = p == MAP_FAILED ? nullptr : p;
      constexpr size_t kHuge = 2 << 20;
      // Strided access to large buffers would otherwise miss the TLB at every row.
      if (raw_ && bytes >= 2 * kHuge) madvise(raw_, bytes, MADV_HUGEPAGE);
    } else
#endif
      raw_ = std::calloc(bytes + 64, 1);
    if (!raw_)
      throw Error("OUT_OF_MEMORY", "Could not allocate " + std::to_string(bytes) +
                                       " bytes. Use shorter batches, fewer workers or a smaller base model.");
    data_ = reinterpret_cast<uint8_t*>((reinterpret_cast<uintptr_t>(raw_) + 63) & ~static_cast<uintptr_t>(63));
  }
  Buffer(Buffer&& o) noexcept { swap(o); }
  Buffer& operator=(Buffer&& o) noexcept {
    swap(o);
    return *this;
  }
  ~Buffer() {
#ifdef __linux__
    if (raw_ && size_ >= kOwn) {
      munmap(raw_, size_);
      return;
    }
#endif
    std::free(raw_);
  }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  template <class T>
  T* as() const {
    return reinterpret_cast<T*>(data_);
  }
  uint8_t* data() const { return data_; }
  size_t size() const { return size_; }

 private:
  void swap(Buffer& o) {
    std::swap(raw_, o.raw_);
    std::swap(data_, o.data_);
    std::swap(size_, o.size_);
  }
  static constexpr size_t kOwn = 256 << 10;

  void* raw_ = nullptr;
  uint8_t* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace ft
