// A file mapped read-only for as long as the object lives.
#pragma once
#include <cstdint>
#include <string>

#include "error.h"

#ifdef _WIN32
#include <windows.h>
#else
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#endif

namespace ft {

class MappedFile {
 public:
  explicit MappedFile(const std::string& path) {
#ifdef _WIN32
    HANDLE file = CreateFileA(
        path.c_str(), GENERIC_READ, FILE_SHARE_READ, nullptr, OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL, nullptr);
    LARGE_INTEGER size{};
    if (file != INVALID_HANDLE_VALUE && GetFileSizeEx(file, &size) && size.QuadPart > 0) {
      if (HANDLE map = CreateFileMappingA(file, nullptr, PAGE_READONLY, 0, 0, nullptr)) {
        data_ = MapViewOfFile(map, FILE_MAP_READ, 0, 0, 0);
        CloseHandle(map);
      }
      size_ = static_cast<uint64_t>(size.QuadPart);
    }
    if (file != INVALID_HANDLE_VALUE) CloseHandle(file);
#else
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    struct stat st{};
    if (fd >= 0 && fstat(fd, &st) == 0 && st.st_size > 0) {
      size_ = static_cast<uint64_t>(st.st_size);
      void* p = mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, fd, 0);
      if (p != MAP_FAILED) data_ = p;
    }
    if (fd >= 0) ::close(fd);
#endif
    if (!data_) throw Error("BAD_MODEL", "Could not map \"" + path + "\": it is missing, empty or not readable.");
  }
  MappedFile(MappedFile&& o) noexcept : data_(o.data_), size_(o.size_) { o.data_ = nullptr; }
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile() {
    if (!data_) return;
#ifdef _WIN32
    UnmapViewOfFile(data_);
#else
    munmap(data_, size_);
#endif
  }
  const uint8_t* data() const { return static_cast<const uint8_t*>(data_); }
  uint64_t size() const { return size_; }

 private:
  void* data_ = nullptr;
  uint64_t size_ = 0;
};

}  // namespace ft
