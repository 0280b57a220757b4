// Two queues: priorities, dependencies across queues in both directions, timed and blocked waits.
#include "rocr.h"

static const hsa_signal_t none = {0};

static hsa_signal_t signal_of(hsa_signal_value_t value) {
  hsa_signal_t signal;
  MUST(hsa_signal_create(value, 0, NULL, &signal));
  return signal;
}

int main(void) {
  hsa_agent_t gpu = the_gpu();
  hsa_queue_t *queue[2];
  for (int i = 0; i < 2; i++)
    MUST(hsa_queue_create(gpu, 1024, HSA_QUEUE_TYPE_MULTI, NULL, NULL, UINT32_MAX, UINT32_MAX, &queue[i]));
  MUST(hsa_amd_queue_set_priority(queue[0], HSA_AMD_QUEUE_PRIORITY_LOW));
  MUST(hsa_amd_queue_set_priority(queue[1], HSA_AMD_QUEUE_PRIORITY_NORMAL));
  MUST(hsa_amd_queue_set_priority(queue[1], HSA_AMD_QUEUE_PRIORITY_HIGH));

  hsa_signal_t done = signal_of(1), gate = signal_of(1), other = signal_of(1);
  barrier(queue[0], HSA_PACKET_TYPE_BARRIER_AND, gate, other, done);
  double began = microseconds();
  hsa_signal_value_t left = wait_zero(done, 50000000, HSA_WAIT_STATE_BLOCKED);
  printf("timed %ld after %s\n", (long)left, microseconds() - began >= 49000 ? "its time" : "too short a time");
  barrier(queue[1], HSA_PACKET_TYPE_BARRIER_AND, none, none, gate);
  wait_zero(gate, UINT64_MAX, HSA_WAIT_STATE_BLOCKED);
  printf("half %ld\n", (long)wait_zero(done, 5000000, HSA_WAIT_STATE_BLOCKED));
  hsa_signal_store_screlease(other, 0);
  printf("both %ld\n", (long)wait_zero(done, UINT64_MAX, HSA_WAIT_STATE_BLOCKED));

  hsa_signal_store_screlease(done, 1);
  hsa_signal_store_screlease(gate, 1);
  hsa_signal_store_screlease(other, 1);
  barrier(queue[1], HSA_PACKET_TYPE_BARRIER_OR, gate, other, done);
  printf("or before %ld\n", (long)wait_zero(done, 5000000, HSA_WAIT_STATE_BLOCKED));
  barrier(queue[0], HSA_PACKET_TYPE_BARRIER_AND, none, none, other);
  printf("or after %ld\n", (long)wait_zero(done, UINT64_MAX, HSA_WAIT_STATE_BLOCKED));

  long wrong = 0;
  for (int i = 0; i < 3000; i++) {  // past the end of both rings
    hsa_signal_store_screlease(done, 1);
    barrier(queue[i & 1], HSA_PACKET_TYPE_BARRIER_AND, none, none, done);
    wrong += wait_zero(done, UINT64_MAX, i % 50 ? HSA_WAIT_STATE_ACTIVE : HSA_WAIT_STATE_BLOCKED) != 0;
  }
  hsa_signal_store_screlease(done, 900);
  for (int i = 0; i < 900; i++) barrier(queue[0], HSA_PACKET_TYPE_BARRIER_AND, none, none, done);
  wrong += wait_zero(done, UINT64_MAX, HSA_WAIT_STATE_BLOCKED) != 0;
  printf("wrong %ld, read %lu and %lu\n", wrong, (unsigned long)hsa_queue_load_read_index_relaxed(queue[0]),
         (unsigned long)hsa_queue_load_read_index_relaxed(queue[1]));
  for (int i = 0; i < 2; i++) MUST(hsa_queue_destroy(queue[i]));
  MUST(hsa_signal_destroy(done));
  MUST(hsa_signal_destroy(gate));
  MUST(hsa_signal_destroy(other));
  MUST(hsa_shut_down());
  puts("end");
  return 0;
}
