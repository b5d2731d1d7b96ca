// What a kernel set may use of this x86-64 processor.
#pragma once

namespace ft {

// Whether processor and system offer a feature, by the compilers' name for it: "avx2", "avx512bf16". Names that no set
// asks for are not known: false. As __builtin_cpu_supports, which wants a runtime library that knows the feature.
bool cpu_supports(const char* feature);

}  // namespace ft
