// Several processes hold N streams each until a file appears; what captures look at.
#include "hip.h"
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv) {
  int processes = atoi(argv[1]), count = atoi(argv[2]);
  for (int i = 1; i < processes; i++)
    if (!fork()) break;
  std::vector<hipStream_t> streams(count);
  for (hipStream_t &stream : streams) MUST(hipStreamCreate(&stream));
  for (int i = 0; i < 6000 && access(argv[3], F_OK); i++) usleep(10000);
  for (hipStream_t stream : streams) MUST(hipStreamDestroy(stream));
  while (wait(nullptr) > 0) {}
  return 0;
}
