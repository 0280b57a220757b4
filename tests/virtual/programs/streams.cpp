// Streams at three priorities, some of each, with an event recorded and waited for across streams.
#include "hip.h"

int main(int argc, char **argv) {
  int each = argc > 1 ? atoi(argv[1]) : 1;
  int least = 9, greatest = 9;
  MUST(hipDeviceGetStreamPriorityRange(&least, &greatest));
  printf("range %d %d\n", least, greatest);
  std::vector<hipStream_t> streams;
  for (int priority : {-1, 0, 1})
    for (int i = 0; i < each; i++) {
      hipStream_t stream;
      MUST(hipStreamCreateWithPriority(&stream, hipStreamDefault, priority));
      int got = 9;
      MUST(hipStreamGetPriority(stream, &got));
      if (got != priority) printf("asked %d, got %d\n", priority, got);
      streams.push_back(stream);
    }
  hipEvent_t event;
  MUST(hipEventCreate(&event));
  MUST(hipEventRecord(event, streams.front()));
  for (hipStream_t stream : streams) MUST(hipStreamWaitEvent(stream, event, 0));
  for (hipStream_t stream : streams) MUST(hipStreamSynchronize(stream));
  MUST(hipEventSynchronize(event));
  MUST(hipDeviceSynchronize());
  for (hipStream_t stream : streams) MUST(hipStreamDestroy(stream));
  MUST(hipEventDestroy(event));
  puts("end");
  return 0;
}
