// Round trips: a native system call, an ioctl of the virtual device, a barrier packet, an ioctl and a barrier in turn, a
// barrier that a blocking wait is told of. Medians in nanoseconds, and what 99 of 100 stay under.
// rtt CPU SAVE_TOTAL SAVE_SIZE STACK_SIZE EOP IDLE_MS ROUNDS
#define _GNU_SOURCE
#include "kfd.h"
#include <sched.h>
#include <sys/syscall.h>
#include <time.h>

static int rounds;
static double *taken;

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
  qsort(taken, (size_t)rounds, sizeof *taken, ascending);
  printf("%s %.0f %.0f\n", what, taken[rounds / 2], taken[rounds * 99 / 100]);
}

// What the supervisor used so far: ns of CPU time, and how often it slept of its own accord.
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

static double get_version(void) {
  uint32_t version[2];
  double began = now();
  if (ioctl(kfd, KFD_CALL(0x01, 8, 2), version)) exit(5);
  return now() - began;
}

// An interrupt event of the process, with its page; 0 when there is none.
static uint32_t create_event(void) {
  struct memory page = {.va = next_va, .size = 32768, .gpu_id = gpu_id, .flags = GTT | WRITABLE};
  if (ioctl(kfd, KFD_CALL(0x16, sizeof page, 3), &page)) return 0;
  next_va += 1 << 21;
  struct {
    uint64_t page;
    uint32_t trigger, type, auto_reset, node, id, slot;
  } event = {.page = page.handle, .auto_reset = 1};
  return ioctl(kfd, KFD_CALL(0x08, sizeof event, 3), &event) ? 0 : event.id;
}

static void wait_event(uint32_t id) {
  struct {
    uint64_t payload[4], pointer;
    uint32_t id, pad;
  } record = {.id = id};
  struct {
    uint64_t records;
    uint32_t count, all, timeout, result;
  } wait = {(uint64_t)&record, 1, 1, 1000, 0};
  if (ioctl(kfd, KFD_CALL(0x0C, sizeof wait, 3), &wait) || wait.result) exit(6);
}

int main(int argc, char **argv) {
  if (argc < 8) return 2;
  rounds = atoi(argv[7]);
  taken = calloc((size_t)rounds, sizeof *taken);
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
  for (int i = 0; i < rounds; i++) {
    double began = now();
    syscall(SYS_getppid);
    taken[i] = now() - began;
  }
  report("syscall");
  struct use before = supervisor();
  for (int i = 0; i < rounds; i++) taken[i] = get_version();
  report("ioctl");
  struct use after = supervisor();
  printf("ioctl_cpu %.0f 0\n", (after.cpu - before.cpu) / rounds);
  for (int i = 0; i < rounds; i++) {
    *value = 1;
    double began = now();
    kfd_barrier(&queue, (uint64_t)value - 8);
    while (*value);
    taken[i] = now() - began;
  }
  report("barrier");
  for (int i = 0; i < rounds; i++) {
    *value = 1;
    double began = now();
    get_version();
    kfd_barrier(&queue, (uint64_t)value - 8);
    while (*value);
    taken[i] = now() - began;
  }
  report("in_turn");
  uint32_t event = create_event();
  if (!event) return 6;
  *(volatile uint64_t *)(value + 2) = event;
  for (int i = 0; i < rounds; i++) {
    *value = 1;
    double began = now();
    kfd_barrier(&queue, (uint64_t)value - 8);
    wait_event(event);
    taken[i] = now() - began;
  }
  report("blocked");
  usleep(20000);  // out of the polling that follows work
  before = supervisor();
  double began = now();
  usleep(1000u * (unsigned)atoi(argv[6]));
  after = supervisor();
  double seconds = (now() - began) / 1e9;
  printf("idle %.4f 0\nidle_wakes %.0f 0\n", (after.cpu - before.cpu) / 1e9 / seconds, (after.sleeps - before.sleeps) / seconds);
  return 0;
}
