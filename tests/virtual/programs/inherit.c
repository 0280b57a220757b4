// What a child may do with a driver its parent opened, and what a wait does when a signal comes.
#include "kfd.h"
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

static volatile int alarms;
static void on_alarm(int number) { alarms += number == SIGALRM; }

struct wait_events {
  uint64_t events;
  uint32_t count, all, timeout, result;
};

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

int main(void) {
  if (!kfd_open()) return 1;
  uint32_t version[2];
  if (fork() == 0) {
    int failed = ioctl(kfd, KFD_CALL(0x01, 8, 2), version);
    printf("inherited: %s\n", failed ? strerror(errno) : "served");
    int own = open("/dev/kfd", O_RDWR);
    printf("own: %s\n", ioctl(own, KFD_CALL(0x01, 8, 2), version) ? strerror(errno) : "served");
    fflush(stdout);
    _exit(0);
  }
  wait(NULL);
  printf("unknown: %s\n", ioctl(kfd, KFD_CALL(0x7f, 8, 3), version) ? strerror(errno) : "served");
  printf("short: %s\n", ioctl(kfd, KFD_CALL(0x16, 8, 3), version) ? strerror(errno) : "served");
  printf("nowhere: %s\n", ioctl(kfd, KFD_CALL(0x03, 8, 3), (void *)8) ? strerror(errno) : "served");
  uint32_t event[8] = {0, 0, 0, 0, 1};
  if (ioctl(kfd, KFD_CALL(0x08, 32, 3), event)) return 2;
  char record[48] = {0};
  *(uint32_t *)(record + 40) = event[6];
  struct wait_events wait_for = {.events = (uint64_t)record, .count = 1, .timeout = 600};
  struct sigaction action = {.sa_handler = on_alarm};
  sigaction(SIGALRM, &action, NULL);
  ualarm(150000, 0);
  double began = now();
  int failed = ioctl(kfd, KFD_CALL(0x0c, 24, 3), &wait_for);
  double first = now() - began;
  printf("interrupted: %s, alarms %d, %s left\n", failed ? strerror(errno) : "served", alarms,
         wait_for.timeout > 300 && wait_for.timeout < 460 ? "the rest" : "not the rest");
  failed = ioctl(kfd, KFD_CALL(0x0c, 24, 3), &wait_for);
  printf("then: %s, result %u, %s\n", failed ? strerror(errno) : "served", wait_for.result,
         first > 0.14 && now() - began > 0.59 ? "in its time" : "too early");
  return 0;
}
