// Processes whose kernels compete: fill ARCH PROCESSES GROUPS KERNELS PRIORITY... - every process makes a stream of each
// priority, all start together, and launch KERNELS kernels of GROUPS workgroups of 1024 work-items on each stream.
#include <hip/hiprtc.h>
#include "hip.h"
#include <string>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define COMPILED(call)                                                                    \
  do {                                                                                    \
    hiprtcResult result_ = (call);                                                        \
    if (result_ != HIPRTC_SUCCESS) {                                                      \
      fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, hiprtcGetErrorString(result_)); \
      exit(3);                                                                            \
    }                                                                                     \
  } while (0)

static const size_t ROOM = 1 << 20;

// Compiled once, in a process of its own: HIP does not survive a fork.
static void compile(const char *arch, char *code) {
  const char *source = "extern \"C\" __global__ void fill(int *a) { a[threadIdx.x] = 1; }";
  std::string option = std::string("--offload-arch=") + arch;
  const char *options[] = {option.c_str()};
  hiprtcProgram program;
  size_t bytes;
  COMPILED(hiprtcCreateProgram(&program, source, "fill.hip", 0, nullptr, nullptr));
  COMPILED(hiprtcCompileProgram(program, 1, options));
  COMPILED(hiprtcGetCodeSize(program, &bytes));
  if (bytes > ROOM) exit(4);
  COMPILED(hiprtcGetCode(program, code));
  exit(0);
}

static int one(char **argv, int count, const char *code, int ready, int go) {
  int groups = atoi(argv[3]), kernels = atoi(argv[4]);
  hipModule_t module;
  hipFunction_t kernel;
  int *device;
  std::vector<hipStream_t> streams(count);
  MUST(hipModuleLoadData(&module, code));
  MUST(hipModuleGetFunction(&kernel, module, "fill"));
  MUST(hipMalloc((void **)&device, 4096));
  void *arguments[] = {&device};
  for (int i = 0; i < count; i++) {
    MUST(hipStreamCreateWithPriority(&streams[i], hipStreamNonBlocking, atoi(argv[5 + i])));
    MUST(hipModuleLaunchKernel(kernel, 1, 1, 1, 1, 1, 1, 0, streams[i], arguments, nullptr));
  }
  MUST(hipDeviceSynchronize());
  char byte = 0;
  if (write(ready, &byte, 1) != 1 || read(go, &byte, 1) != 1) return 5;
  for (int k = 0; k < kernels; k++)
    for (hipStream_t stream : streams)
      MUST(hipModuleLaunchKernel(kernel, groups, 1, 1, 1024, 1, 1, 0, stream, arguments, nullptr));
  MUST(hipDeviceSynchronize());
  return 0;
}

int main(int argc, char **argv) {
  int processes = atoi(argv[2]), wrong = 0, status, ready[2], go[2];
  char *code = (char *)mmap(nullptr, ROOM, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (code == MAP_FAILED || pipe(ready) || pipe(go)) return 2;
  if (!fork()) compile(argv[1], code);
  wait(&status);
  wrong += status != 0;
  for (int i = 0; i < processes; i++)
    if (!fork()) _exit(one(argv, argc - 5, code, ready[1], go[0]));
  std::vector<char> bytes(processes);
  close(ready[1]);
  for (int i = 0; i < processes; i++) wrong += read(ready[0], &bytes[i], 1) != 1;
  wrong += write(go[1], bytes.data(), processes) != processes;
  while (wait(&status) > 0) wrong += status != 0;
  printf("wrong %d\nend\n", wrong);
  return 0;
}
