// Streams bound to some of the CUs.
#include "hip.h"

int main() {
  for (unsigned mask : {0x1u, 0xFFu, 0xFFFFFFFFu}) {
    hipStream_t stream;
    unsigned words[] = {mask, mask & 0xF};
    MUST(hipExtStreamCreateWithCUMask(&stream, 2, words));
    unsigned got[4] = {0};
    MUST(hipExtStreamGetCUMask(stream, 4, got));
    printf("mask %x %x\n", got[0], got[1]);
    MUST(hipStreamSynchronize(stream));
    MUST(hipStreamDestroy(stream));
  }
  puts("end");
  return 0;
}
