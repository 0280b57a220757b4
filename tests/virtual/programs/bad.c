// A queue is given something it must not swallow: bad packet, bad memory.
#include "rocr.h"
#include <unistd.h>

static hsa_status_t status_seen = HSA_STATUS_SUCCESS;

static void on_error(hsa_status_t status, hsa_queue_t *queue, void *data) {
  (void)queue, (void)data;
  status_seen = status;
}

int main(int argc, char **argv) {
  hsa_agent_t gpu = the_gpu();
  hsa_queue_t *queue;
  MUST(hsa_queue_create(gpu, 1024, HSA_QUEUE_TYPE_MULTI, on_error, NULL, UINT32_MAX, UINT32_MAX, &queue));
  const hsa_signal_t none = {0}, wild = {0x66600000};
  if (argc > 1 && !strcmp(argv[1], "memory"))
    barrier(queue, HSA_PACKET_TYPE_BARRIER_AND, wild, none, none);
  else
    barrier(queue, 9, none, none, none);
  for (int i = 0; i < 200 && status_seen == HSA_STATUS_SUCCESS; i++) usleep(10000);
  const char *text = "?";
  hsa_status_string(status_seen, &text);
  puts(text);
  return 0;
}
