// Events on streams of three priorities: work behind an event waits for it, times rise, and what is not done says so.
#include "hip.h"
#include <unistd.h>

enum { BYTES = 1 << 20, ROUNDS = 8 };

int main() {
  int bad = 0;
  hipStream_t stream[3];
  for (int i = 0; i < 3; i++) MUST(hipStreamCreateWithPriority(&stream[i], hipStreamNonBlocking, i - 1));
  unsigned char *device, *host, *back;
  uint64_t *gate;
  MUST(hipMalloc((void **)&device, BYTES));
  MUST(hipHostMalloc((void **)&host, BYTES, 0));
  MUST(hipHostMalloc((void **)&back, BYTES, 0));
  MUST(hipExtMallocWithFlags((void **)&gate, 8, hipMallocSignalMemory));
  hipEvent_t begin, copied, end, sleeping;
  for (hipEvent_t *event : {&begin, &copied, &end}) MUST(hipEventCreate(event));
  MUST(hipEventCreateWithFlags(&sleeping, hipEventBlockingSync | hipEventDisableTiming));

  for (int round = 0; round < ROUNDS; round++) {
    hipStream_t first = stream[round % 3], second = stream[(round + 1) % 3];
    pattern(host, BYTES, round);
    memset(back, 0, BYTES);
    *(volatile uint64_t *)gate = 0;
    // The first stream is held until the host opens the gate; the second one is behind the first one's event.
    MUST(hipEventRecord(begin, first));
    MUST(hipStreamWaitValue64(first, gate, 1, hipStreamWaitValueEq));
    MUST(hipMemcpyAsync(device, host, BYTES, hipMemcpyHostToDevice, first));
    MUST(hipEventRecord(copied, first));
    MUST(hipStreamWaitEvent(second, copied, 0));
    MUST(hipMemcpyAsync(back, device, BYTES, hipMemcpyDeviceToHost, second));
    MUST(hipEventRecord(end, second));
    MUST(hipEventRecord(sleeping, second));
    usleep(20000);
    bad += hipEventQuery(copied) != hipErrorNotReady;
    bad += hipEventQuery(end) != hipErrorNotReady;
    bad += hipStreamQuery(second) != hipErrorNotReady;
    *(volatile uint64_t *)gate = 1;
    MUST(hipEventSynchronize(round % 2 ? sleeping : end));
    MUST(hipEventSynchronize(end));
    bad += hipEventQuery(copied) != hipSuccess;
    bad += !holds(back, BYTES, round);
    float whole = -1, rest = -1;
    MUST(hipEventElapsedTime(&whole, begin, end));
    MUST(hipEventElapsedTime(&rest, copied, end));
    bad += !(rest >= 0 && whole >= rest);
  }
  for (hipEvent_t event : {begin, copied, end, sleeping}) MUST(hipEventDestroy(event));
  for (hipStream_t one : stream) MUST(hipStreamDestroy(one));
  printf("wrong %d\nend\n", bad);
  return bad != 0;
}
