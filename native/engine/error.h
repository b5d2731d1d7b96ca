// Errors that reach JavaScript as a typed error: `code` is one of NativeErrorCode in src/native/binding.ts.
#pragma once
#include <exception>
#include <new>
#include <stdexcept>
#include <string>

namespace ft {

struct Error : std::runtime_error {
  const char* code;
  Error(const char* code, const std::string& message) : std::runtime_error(message), code(code) {}
};

// Whatever is being handled (inside a catch block) as an Error, so that nothing that was thrown leaves untyped.
inline Error current_error() {
  try {
    throw;
  } catch (const Error& e) {
    return e;
  } catch (const std::bad_alloc&) {
    return Error("OUT_OF_MEMORY", "Not enough memory. Use shorter batches, fewer workers or a smaller base model.");
  } catch (const std::exception& e) {
    return Error("INTERNAL", std::string("The engine failed in a way that it does not know: ") + e.what() +
                                 ". Please report it with what led to it.");
  } catch (...) {
    return Error("INTERNAL", "The engine failed in a way that it does not know. Please report it with what led to it.");
  }
}

}  // namespace ft
