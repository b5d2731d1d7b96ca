// A file mapped read-only for as long as the object lives. One that is cut short meanwhile ends the process (SIGBUS):
// the engine maps a model only while it reads the weights.
#pragma once
#include <cstdint>
#include <string>

namespace ft {

class MappedFile {
 public:
  // `path` in UTF-8. Throws BAD_MODEL.
  explicit MappedFile(const std::string& path);
  MappedFile(MappedFile&& o) noexcept;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();

  const uint8_t* data() const { return static_cast<const uint8_t*>(data_); }
  uint64_t size() const { return size_; }
  // Which file this is, and in which state: another text after whatever change to it.
  const std::string& stamp() const { return stamp_; }

 private:
  void* data_ = nullptr;
  uint64_t size_ = 0;
  std::string stamp_;
};

}  // namespace ft
