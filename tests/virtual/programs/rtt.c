// Round trips: a native system call, an ioctl of the virtual device, a barrier packet. Medians in nanoseconds.
// rtt CPU SAVE_TOTAL SAVE_SIZE STACK_SIZE EOP IDLE_MS
#define _GNU_SOURCE
#include "kfd.h"
#include <sched.h>
#include <sys/syscall.h>
#include <time.h>

enum { ROUNDS = 4000 };
static double taken[ROUNDS];

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e9 + t.tv_nsec;
}

static int ascending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static void report(const char *what) {
  qsort(taken, ROUNDS, sizeof *taken, ascending);
  printf("%s %.0f %.0f\n", what, taken[ROUNDS / 2], taken[ROUNDS * 99 / 100]);
}

// What the supervisor used so far: ns of CPU time, and how often it slept.
struct use {
  double cpu, sleeps;
};

static struct use supervisor(void) {
  struct use use = {0, 0};
  char path[64], line[256];
  snprintf(path, sizeof path, "/proc/%d/schedstat", getppid());
  FILE *file = fopen(path, "r");
  if (!file || fscanf(file, "%lf", &use.cpu) != 1) return use;
  fclose(file);
  snprintf(path, sizeof path, "/proc/%d/status", getppid());
  file = fopen(path, "r");
  while (file && fgets(line, sizeof line, file)) sscanf(line, "voluntary_ctxt_switches: %lf", &use.sleeps);
  if (file) fclose(file);
  return use;
}

int main(int argc, char **argv) {
  if (argc < 7) return 2;
  int cpu = atoi(argv[1]);
  if (cpu >= 0) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    sched_setaffinity(0, sizeof set, &set);
  }
  if (!kfd_open()) return 3;
  struct queue queue;
  if (kfd_queue(&queue, strtoull(argv[2], 0, 0), strtoul(argv[3], 0, 0), strtoul(argv[4], 0, 0), atoi(argv[5]))) return 4;
  volatile int64_t *value = (int64_t *)(kfd_memory(4096) + 8);
  uint32_t version[2];
  for (int i = 0; i < ROUNDS; i++) {
    double began = now();
    syscall(SYS_getppid);
    taken[i] = now() - began;
  }
  report("syscall");
  struct use before = supervisor();
  for (int i = 0; i < ROUNDS; i++) {
    double began = now();
    if (ioctl(kfd, KFD_CALL(0x01, 8, 2), version)) return 5;
    taken[i] = now() - began;
  }
  report("ioctl");
  struct use after = supervisor();
  printf("ioctl_cpu %.0f 0\nioctl_sleeps %.2f 0\n", (after.cpu - before.cpu) / ROUNDS, (after.sleeps - before.sleeps) / ROUNDS);
  for (int i = 0; i < ROUNDS; i++) {
    *value = 1;
    double began = now();
    kfd_barrier(&queue, (uint64_t)value - 8);
    while (*value);
    taken[i] = now() - began;
  }
  report("barrier");
  usleep(20000);  // out of the polling that follows work
  before = supervisor();
  double began = now();
  usleep(1000u * (unsigned)atoi(argv[6]));
  after = supervisor();
  double seconds = (now() - began) / 1e9;
  printf("idle %.4f 0\nidle_wakes %.0f 0\n", (after.cpu - before.cpu) / 1e9 / seconds, (after.sleeps - before.sleeps) / seconds);
  return 0;
}
