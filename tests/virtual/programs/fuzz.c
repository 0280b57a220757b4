// Every ioctl number with arguments that make no sense: the driver answers, and goes on to serve.
#include "kfd.h"
#include <errno.h>
#include <signal.h>

static void nothing(int number) { (void)number; }

int main(int argc, char **argv) {
  srand(argc > 1 ? (unsigned)atoi(argv[1]) : 1);
  int rounds = argc > 2 ? atoi(argv[2]) : 2000;
  if (!kfd_open()) return 1;
  struct queue queue[3];
  for (int i = 0; i < 3; i++)
    if (kfd_queue(&queue[i], strtoull(argv[3], 0, 0), strtoul(argv[4], 0, 0), strtoul(argv[5], 0, 0), atoi(argv[6]))) return 2;
  struct sigaction action = {.sa_handler = nothing};
  sigaction(SIGALRM, &action, NULL);
  static const uint64_t odd[] = {0, 1, 2, 7, 31, 4095, 4096, 0x7fffffff, 0x80000000, 0xffffffff, ~0ull, 1ull << 47};
  uint64_t room = kfd_memory(1 << 16);
  int served = 0, refused = 0;
  for (int round = 0; round < rounds; round++) {
    uint32_t words[64];
    for (int i = 0; i < 64; i += 2) {
      uint64_t value = rand() % 3 ? odd[(unsigned)rand() % 12] : (uint64_t)rand() << 16 ^ (uint64_t)rand();
      if (rand() % 4 == 0) value = room + (uint64_t)(rand() % 4096);
      if (rand() % 8 == 0) value = gpu_id | (uint64_t)gpu_id << 32;
      memcpy(&words[i], &value, 8);
    }
    unsigned number = (unsigned)rand() % (rand() % 8 ? 0x28 : 0x90), size = (unsigned)rand() % 240;
    if (rand() % 3 == 0) size = (unsigned[]){8, 16, 24, 32, 40, 96}[rand() % 6];
    unsigned long request = (unsigned long)(1 + rand() % 3) << 30 | size << 16 | (rand() % 8 ? 'K' : 'd') << 8 | number;
    ualarm(20000, 0);
    if (ioctl(rand() % 6 ? kfd : drm, request, rand() % 20 ? (void *)words : (void *)8)) refused++;
    else served++;
  }
  uint32_t version[2] = {0};
  int failed = ioctl(kfd, KFD_CALL(0x01, 8, 2), version);
  printf("%s, version %u\n", failed ? strerror(errno) : "still served", version[0]);
  return !served || !refused;
}
