// Processes come and go for as long as a file is not there: each makes queues, submits to them, and is killed or ends.
// blink STOP PER_SECOND QUEUES SAVE_TOTAL SAVE_SIZE STACK_SIZE EOP; prints how many came.
#include "kfd.h"
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

int main(int argc, char **argv) {
  int rate = atoi(argv[2]), queues = atoi(argv[3]), came = 0, wrong = 0, alive = 0;
  uint64_t save_total = strtoull(argv[4], 0, 0);
  uint32_t save_size = strtoul(argv[5], 0, 0), stack_size = strtoul(argv[6], 0, 0);
  pid_t last = 0;
  while (access(argv[1], F_OK)) {
    pid_t child = fork();
    if (!child) {
      if (!kfd_open()) _exit(1);
      struct queue queue[8];
      uint64_t done = kfd_memory(4096);
      *(volatile int64_t *)(done + 8) = queues;
      for (int i = 0; i < queues; i++) {
        if (kfd_queue(&queue[i], save_total, save_size, stack_size, atoi(argv[7]))) _exit(2);
        kfd_barrier(&queue[i], done);
      }
      usleep((useconds_t)(came * 37 % 7) * 500000 / rate);
      _exit(0);
    }
    came++, alive++;
    if (last && came % 3 == 0) kill(last, SIGKILL);
    last = child;
    usleep(1000000 / rate);
    int status;
    for (pid_t gone; alive > 0 && (gone = waitpid(-1, &status, alive > 6 ? 0 : WNOHANG)) > 0; alive--) {
      if (gone == last) last = 0;
      wrong += WIFEXITED(status) && WEXITSTATUS(status);
    }
  }
  while (wait(NULL) > 0) {}
  printf("came %d, wrong %d\n", came, wrong);
  return wrong != 0;
}
