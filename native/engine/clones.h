// FT_WIDE: a function that is compiled for wider vectors as well and chosen at run time, where compiler and system can
// (CMakeLists.txt finds out). For loops that go element by element, so that the bits are the same.
#pragma once

#ifdef FT_CLONES
#define FT_WIDE __attribute__((target_clones(FT_CLONES)))
#else
#define FT_WIDE
#endif
