// A client of /dev/kfd without any runtime: the few ioctls that make memory and AQL queues (amdkfd's kfd_ioctl.h).
#pragma once
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

enum { VRAM = 1, GTT = 2, WRITABLE = 1u << 31, AQL_RING = 4096 };
#define KFD_CALL(number, size, direction) ((unsigned long)(direction) << 30 | (size) << 16 | 'K' << 8 | (number))

struct create_queue {
  uint64_t ring, write_pointer, read_pointer, doorbell_offset;
  uint32_t ring_size, gpu_id, type, percentage, priority, queue_id;
  uint64_t eop, eop_size, save;
  uint32_t save_size, stack_size, engine, pad;
};
struct memory {
  uint64_t va, size, handle, offset;
  uint32_t gpu_id, flags;
};
struct mapping {
  uint64_t handle, gpus;
  uint32_t count, done;
};

static int kfd = -1, drm = -1;
static uint32_t gpu_id;
static uint64_t next_va = 0x500000000000;
static volatile uint64_t *doorbells;

static inline uint64_t kfd_memory_at(uint64_t size, uint32_t flags, int fd) {
  struct memory request = {.va = next_va, .size = size, .gpu_id = gpu_id, .flags = flags | WRITABLE};
  if (ioctl(kfd, KFD_CALL(0x16, sizeof request, 3), &request)) return 0;
  struct mapping map = {.handle = request.handle, .gpus = (uint64_t)&gpu_id, .count = 1};
  if (ioctl(kfd, KFD_CALL(0x18, sizeof map, 3), &map)) return 0;
  void *where = (void *)next_va;
  if (mmap(where, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, (off_t)request.offset) != where) return 0;
  next_va += (size + 0x1fffff) & ~0x1fffffull;
  return request.va;
}

static inline uint64_t kfd_memory(uint64_t size) { return kfd_memory_at(size, GTT, drm); }

static inline int kfd_open(void) {
  kfd = open("/dev/kfd", O_RDWR | O_CLOEXEC);
  drm = open("/dev/dri/renderD128", O_RDWR | O_CLOEXEC);
  FILE *id = fopen("/sys/class/kfd/kfd/topology/nodes/1/gpu_id", "r");
  if (kfd < 0 || drm < 0 || !id || fscanf(id, "%u", &gpu_id) != 1) return 0;
  fclose(id);
  uint32_t acquire[2] = {(uint32_t)drm, gpu_id};
  if (ioctl(kfd, KFD_CALL(0x15, sizeof acquire, 1), acquire)) return 0;
  doorbells = (uint64_t *)kfd_memory_at(8192, 8, kfd);
  return doorbells != NULL;
}

// An AQL queue: its ring, and a page with write_dispatch_id at 0x38 and read_dispatch_id at 0x80.
struct queue {
  uint64_t ring, page, next;
  volatile uint64_t *doorbell;
  uint32_t id;
};

static inline int kfd_queue(struct queue *queue, uint64_t save_total, uint32_t save_size, uint32_t stack_size, int eop) {
  queue->ring = kfd_memory(AQL_RING);
  queue->page = kfd_memory(4096);
  queue->next = 0;
  uint64_t save = kfd_memory(save_total);
  if (!queue->ring || !queue->page || !save) return -1;
  for (int i = 0; i < AQL_RING; i += 64) *(uint16_t *)(queue->ring + i) = 1;
  struct create_queue request = {
      .ring = queue->ring, .write_pointer = queue->page + 0x38, .read_pointer = queue->page + 0x80,
      .ring_size = AQL_RING, .gpu_id = gpu_id, .type = 2, .percentage = 100, .priority = 7,
      .save = save, .save_size = save_size, .stack_size = stack_size};
  if (eop) request.eop = kfd_memory(4096), request.eop_size = 4096;
  if (ioctl(kfd, KFD_CALL(0x02, 96, 3), &request)) return -1;
  queue->id = request.queue_id;
  queue->doorbell = doorbells + (request.doorbell_offset & 8191) / 8;
  return 0;
}

// Submits a barrier packet that decrements the signal at `done`.
static inline void kfd_barrier(struct queue *queue, uint64_t done) {
  char *packet = (char *)queue->ring + queue->next % (AQL_RING / 64) * 64;
  while (queue->next - *(volatile uint64_t *)(queue->page + 0x80) >= AQL_RING / 64) usleep(100);
  memset(packet + 4, 0, 60);
  *(uint64_t *)(packet + 56) = done;
  __atomic_store_n((uint32_t *)packet, 3u | 1u << 8, __ATOMIC_RELEASE);
  *(volatile uint64_t *)(queue->page + 0x38) = queue->next + 1;
  *queue->doorbell = queue->next++;
}
