// Managed memory: advice and prefetches reach the driver and are read back from it, range by range.
#include "hip.h"
#include <hip/hip_runtime_api.h>

enum { BYTES = 1 << 20, PAGE = 4096 };

static unsigned char *memory;

static int has(hipMemRangeAttribute attribute, size_t from, size_t bytes) {
  int value = -77;
  MUST(hipMemRangeGetAttribute(&value, sizeof value, attribute, memory + from, bytes));
  return value;
}

static void show(const char *what, size_t from, size_t bytes) {
  printf("%s: read mostly %d, preferred %d, prefetched %d, accessed by %d\n", what,
         has(hipMemRangeAttributeReadMostly, from, bytes), has(hipMemRangeAttributePreferredLocation, from, bytes),
         has(hipMemRangeAttributeLastPrefetchLocation, from, bytes), has(hipMemRangeAttributeAccessedBy, from, bytes));
}

int main() {
  hipStream_t stream;
  MUST(hipStreamCreate(&stream));
  MUST(hipMallocManaged((void **)&memory, BYTES, hipMemAttachGlobal));
  show("new", 0, BYTES);
  MUST(hipMemAdvise(memory, BYTES / 2, hipMemAdviseSetReadMostly, 0));
  MUST(hipMemAdvise(memory, BYTES / 4, hipMemAdviseSetPreferredLocation, 0));
  MUST(hipMemAdvise(memory, BYTES / 2, hipMemAdviseSetAccessedBy, 0));
  MUST(hipMemPrefetchAsync(memory, BYTES / 2, 0, stream));
  MUST(hipStreamSynchronize(stream));
  show("first", 0, BYTES / 4);
  show("second", BYTES / 4, BYTES / 4);
  show("third", BYTES / 2, BYTES / 2);
  show("all", 0, BYTES);
  MUST(hipMemAdvise(memory, BYTES / 2, hipMemAdviseUnsetReadMostly, 0));
  MUST(hipMemPrefetchAsync(memory, BYTES, hipCpuDeviceId, stream));
  MUST(hipStreamSynchronize(stream));
  show("again", 0, BYTES / 4);
  MUST(hipFree(memory));
  puts("end");
  return 0;
}
