// What the ROCr test programs share: the GPU agent, checked calls, barrier packets.
#pragma once
#include <hsa/hsa.h>
#include <hsa/hsa_ext_amd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MUST(call)                                                                       \
  do {                                                                                   \
    hsa_status_t status_ = (call);                                                       \
    if (status_ != HSA_STATUS_SUCCESS) {                                                 \
      const char *text_ = "?";                                                           \
      hsa_status_string(status_, &text_);                                                \
      fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, text_);                         \
      exit(3);                                                                           \
    }                                                                                    \
  } while (0)

static inline hsa_status_t keep_gpu(hsa_agent_t agent, void *found) {
  hsa_device_type_t type;
  hsa_agent_get_info(agent, HSA_AGENT_INFO_DEVICE, &type);
  if (type == HSA_DEVICE_TYPE_GPU) *(hsa_agent_t *)found = agent;
  return HSA_STATUS_SUCCESS;
}

static inline hsa_agent_t the_gpu(void) {
  hsa_agent_t gpu = {0};
  MUST(hsa_init());
  MUST(hsa_iterate_agents(keep_gpu, &gpu));
  if (!gpu.handle) {
    fprintf(stderr, "no GPU\n");
    exit(2);
  }
  return gpu;
}

static inline double microseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1e6 + now.tv_nsec / 1e3;
}

static inline uint16_t header_of(int type) {
  return (uint16_t)(type | 1 << HSA_PACKET_HEADER_BARRIER |
                    HSA_FENCE_SCOPE_SYSTEM << HSA_PACKET_HEADER_SCACQUIRE_FENCE_SCOPE |
                    HSA_FENCE_SCOPE_SYSTEM << HSA_PACKET_HEADER_SCRELEASE_FENCE_SCOPE);
}

// Publishes one 64-byte packet whose first dword is `head`, and rings the doorbell.
static inline void publish(hsa_queue_t *queue, uint32_t head, const void *body) {
  uint64_t index = hsa_queue_add_write_index_relaxed(queue, 1);
  char *packet = (char *)queue->base_address + index % queue->size * 64;
  memcpy(packet + 4, (const char *)body + 4, 60);
  __atomic_store_n((uint32_t *)packet, head, __ATOMIC_RELEASE);
  hsa_signal_store_screlease(queue->doorbell_signal, (hsa_signal_value_t)index);
}

static inline void barrier(hsa_queue_t *queue, int type, hsa_signal_t first, hsa_signal_t second, hsa_signal_t done) {
  hsa_barrier_and_packet_t packet = {0};
  packet.dep_signal[0] = first;
  packet.dep_signal[3] = second;
  packet.completion_signal = done;
  publish(queue, header_of(type), &packet);
}

static inline hsa_signal_value_t wait_zero(hsa_signal_t signal, uint64_t nanoseconds, hsa_wait_state_t how) {
  return hsa_signal_wait_scacquire(signal, HSA_SIGNAL_CONDITION_LT, 1, nanoseconds, how);
}
