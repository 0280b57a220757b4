// What the HIP test programs share: checked calls and patterned memory.
#pragma once
#include <hip/hip_runtime_api.h>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#define MUST(call)                                                                                 \
  do {                                                                                             \
    hipError_t error_ = (call);                                                                    \
    if (error_ != hipSuccess) {                                                                    \
      fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, hipGetErrorString(error_));               \
      exit(3);                                                                                     \
    }                                                                                              \
  } while (0)

inline void pattern(unsigned char *data, size_t bytes, unsigned seed) {
  for (size_t i = 0; i < bytes; i++) data[i] = (unsigned char)((i * 2654435761u >> 13) + seed);
}

inline bool holds(const unsigned char *data, size_t bytes, unsigned seed) {
  for (size_t i = 0; i < bytes; i++)
    if (data[i] != (unsigned char)((i * 2654435761u >> 13) + seed)) return false;
  return true;
}
