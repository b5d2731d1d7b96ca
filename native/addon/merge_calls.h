// The functions over many adapters of src/native/binding.ts: merges, products, overlaps.
#pragma once
#include <napi.h>

namespace ft {

// Sets each function on `exports`.
void define_merges(Napi::Env env, Napi::Object exports);

}  // namespace ft
