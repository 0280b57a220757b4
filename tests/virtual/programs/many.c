// One of many: four queues (and ROCr's own), rounds of packets that wait for each other across them.
#include "rocr.h"
#include <unistd.h>

int main(int argc, char **argv) {
  int rounds = atoi(argv[1]);
  hsa_agent_t gpu = the_gpu();
  hsa_queue_t *queue[4];
  hsa_signal_t step[5];
  for (int i = 0; i < 4; i++)
    MUST(hsa_queue_create(gpu, 1024, HSA_QUEUE_TYPE_MULTI, NULL, NULL, UINT32_MAX, UINT32_MAX, &queue[i]));
  for (int i = 0; i < 5; i++) MUST(hsa_signal_create(1, 0, NULL, &step[i]));
  if (argc > 2) {  // wait until everybody is there
    fclose(fopen(argv[2], "a"));
    while (access(argv[3], F_OK)) usleep(1000);
  }
  const hsa_signal_t none = {0};
  for (int round = 0; round < rounds; round++) {
    for (int i = 0; i < 5; i++) hsa_signal_store_screlease(step[i], 1);
    for (int i = 3; i >= 0; i--) barrier(queue[i], HSA_PACKET_TYPE_BARRIER_AND, step[i], none, step[i + 1]);
    hsa_signal_store_screlease(step[0], 0);
    if (wait_zero(step[4], UINT64_MAX, HSA_WAIT_STATE_BLOCKED) != 0) return 4;
  }
  for (int i = 0; i < 4; i++) MUST(hsa_queue_destroy(queue[i]));
  for (int i = 0; i < 5; i++) MUST(hsa_signal_destroy(step[i]));
  MUST(hsa_shut_down());
  return 0;
}
