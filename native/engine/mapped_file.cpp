#include "mapped_file.h"

#include <utility>

#include "error.h"

#ifdef _WIN32
#include "windows_path.h"
#else
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#endif

namespace ft {

namespace {

std::string joined(std::initializer_list<uint64_t> numbers) {
  std::string s;
  for (uint64_t n : numbers) s += std::to_string(n) + " ";
  return s;
}

}  // namespace

MappedFile::MappedFile(const std::string& path) {
#ifdef _WIN32
  HANDLE file = CreateFileW(
      wide(path).c_str(), GENERIC_READ, FILE_SHARE_READ, nullptr, OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL, nullptr);
  BY_HANDLE_FILE_INFORMATION i{};
  if (file != INVALID_HANDLE_VALUE && GetFileInformationByHandle(file, &i)) {
    size_ = (static_cast<uint64_t>(i.nFileSizeHigh) << 32) | i.nFileSizeLow;
    stamp_ = joined({i.dwVolumeSerialNumber, i.nFileIndexHigh, i.nFileIndexLow, size_, i.ftLastWriteTime.dwHighDateTime,
        i.ftLastWriteTime.dwLowDateTime});
    if (HANDLE map = size_ > 0 ? CreateFileMappingW(file, nullptr, PAGE_READONLY, 0, 0, nullptr) : nullptr) {
      data_ = MapViewOfFile(map, FILE_MAP_READ, 0, 0, 0);
      CloseHandle(map);
    }
  }
  if (file != INVALID_HANDLE_VALUE) CloseHandle(file);
#else
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  struct stat st{};
  if (fd >= 0 && fstat(fd, &st) == 0 && st.st_size > 0) {
#ifdef __APPLE__
    const timespec written = st.st_mtimespec, changed = st.st_ctimespec;
#else
    const timespec written = st.st_mtim, changed = st.st_ctim;
#endif
    size_ = static_cast<uint64_t>(st.st_size);
    stamp_ = joined({static_cast<uint64_t>(st.st_dev), static_cast<uint64_t>(st.st_ino), size_,
        static_cast<uint64_t>(written.tv_sec), static_cast<uint64_t>(written.tv_nsec),
        static_cast<uint64_t>(changed.tv_sec), static_cast<uint64_t>(changed.tv_nsec)});
    void* p = mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, fd, 0);
    if (p != MAP_FAILED) data_ = p;
  }
  if (fd >= 0) ::close(fd);
#endif
  if (!data_) throw Error("BAD_MODEL", "Could not map \"" + path + "\": it is missing, empty or not readable.");
}

MappedFile::MappedFile(MappedFile&& o) noexcept
    : data_(std::exchange(o.data_, nullptr)), size_(o.size_), stamp_(std::move(o.stamp_)) {}

MappedFile::~MappedFile() {
  if (!data_) return;
#ifdef _WIN32
  UnmapViewOfFile(data_);
#else
  munmap(data_, size_);
#endif
}

}  // namespace ft
