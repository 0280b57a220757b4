// Memory of the parent read and changed by a forked child through an IPC handle.
#include "hip.h"
#include <sys/wait.h>
#include <unistd.h>

int main() {
  int there[2], back[2];
  if (pipe(there) || pipe(back)) return 9;
  pid_t child = fork();
  if (child == 0) {
    hipIpcMemHandle_t handle;
    if (read(there[0], &handle, sizeof handle) != sizeof handle) return 9;
    unsigned char *shared;
    MUST(hipIpcOpenMemHandle((void **)&shared, handle, hipIpcMemLazyEnablePeerAccess));
    std::vector<unsigned char> data(1 << 16);
    MUST(hipMemcpy(data.data(), shared, data.size(), hipMemcpyDeviceToHost));
    bool good = holds(data.data(), data.size(), 3);
    pattern(data.data(), data.size(), 4);
    MUST(hipMemcpy(shared, data.data(), data.size(), hipMemcpyHostToDevice));
    MUST(hipIpcCloseMemHandle(shared));
    if (write(back[1], "x", 1) != 1) return 9;
    return good ? 0 : 5;
  }
  unsigned char *device;
  std::vector<unsigned char> data(1 << 16);
  MUST(hipMalloc((void **)&device, data.size()));
  pattern(data.data(), data.size(), 3);
  MUST(hipMemcpy(device, data.data(), data.size(), hipMemcpyHostToDevice));
  hipIpcMemHandle_t handle;
  MUST(hipIpcGetMemHandle(&handle, device));
  if (write(there[1], &handle, sizeof handle) != sizeof handle) return 9;
  char byte;
  if (read(back[0], &byte, 1) != 1) return 9;
  MUST(hipMemcpy(data.data(), device, data.size(), hipMemcpyDeviceToHost));
  int status = 0;
  waitpid(child, &status, 0);
  bool good = holds(data.data(), data.size(), 4);
  printf("child %d, parent %s\n", WEXITSTATUS(status), good ? "good" : "WRONG");
  MUST(hipFree(device));
  return good && WIFEXITED(status) && !WEXITSTATUS(status) ? 0 : 1;
}
