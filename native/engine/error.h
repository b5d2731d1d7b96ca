// Errors that reach JavaScript as a typed error: `code` is one of NativeErrorCode in src/native/binding.ts.
#pragma once
#include <stdexcept>
#include <string>

namespace ft {

struct Error : std::runtime_error {
  const char* code;
  Error(const char* code, const std::string& message) : std::runtime_error(message), code(code) {}
};

}  // namespace ft
