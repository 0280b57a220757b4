// Rounds of processes with queues at work, half of which are killed at a random moment; the rest must end right.
// churn ROUNDS PROCESSES QUEUES SEED SAVE_TOTAL SAVE_SIZE STACK_SIZE EOP
#include "kfd.h"
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

static uint64_t save_total;
static uint32_t save_size, stack_size;
static int eop;

static int work(int queues) {
  if (!kfd_open()) return 10;
  struct queue queue[16];
  uint64_t page = kfd_memory(4096);
  if (!page) return 11;
  volatile int64_t *value = (int64_t *)(page + 8);
  for (int i = 0; i < queues; i++)
    if (kfd_queue(&queue[i], save_total, save_size, stack_size, eop)) return 20 + errno % 100;
  for (int round = 0; round < 20; round++) {
    *value = queues;
    for (int i = 0; i < queues; i++) kfd_barrier(&queue[i], page);
    for (int naps = 0; *value; naps++) {
      if (naps > 100000) return 12;
      usleep(100);
    }
  }
  return 0;  // leaves its queues to the driver, as HIP 5.7 does
}

int main(int argc, char **argv) {
  int rounds = atoi(argv[1]), processes = atoi(argv[2]), queues = atoi(argv[3]);
  srand((unsigned)atoi(argv[4]));
  save_total = strtoull(argv[5], 0, 0), save_size = strtoul(argv[6], 0, 0);
  stack_size = strtoul(argv[7], 0, 0), eop = atoi(argv[8]);
  int killed = 0, right = 0, wrong = 0;
  for (int round = 0; round < rounds; round++) {
    pid_t child[64];
    char doomed[64] = {0};
    for (int i = 0; i < processes; i++)
      if (!(child[i] = fork())) _exit(work(queues));
    for (int i = 0; i < processes / 2; i++) doomed[rand() % processes] = 1;
    usleep((useconds_t)(rand() % (1000 * processes)));
    for (int i = 0; i < processes; i++)
      if (doomed[i]) kill(child[i], SIGKILL);
    for (int i = 0; i < processes; i++) {
      int status = 0;
      waitpid(child[i], &status, 0);
      if (WIFSIGNALED(status) && doomed[i]) killed++;
      else if (WIFEXITED(status) && !WEXITSTATUS(status)) right++;
      else wrong++, printf("child %d of round %d: %#x\n", i, round, (unsigned)status);
    }
  }
  printf("killed %d, right %d, wrong %d\n", killed, right, wrong);
  return wrong != 0;
}
