// A kernel of the program's own, compiled at run time and launched.
#include <hip/hiprtc.h>
#include "hip.h"
#include <string>

#define COMPILED(call)                                                                    \
  do {                                                                                    \
    hiprtcResult result_ = (call);                                                        \
    if (result_ != HIPRTC_SUCCESS) {                                                      \
      fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, hiprtcGetErrorString(result_)); \
      exit(3);                                                                            \
    }                                                                                     \
  } while (0)

int main(int argc, char **argv) {
  int launches = argc > 1 ? atoi(argv[1]) : 1;
  const char *source = "extern \"C\" __global__ void double_all(int *a, int n) {"
                       " int i = blockIdx.x * blockDim.x + threadIdx.x; if (i < n) a[i] *= 2; }";
  hipDeviceProp_t properties;
  MUST(hipGetDeviceProperties(&properties, 0));
  std::string arch = std::string("--offload-arch=") + properties.gcnArchName;
  const char *options[] = {arch.c_str()};
  hiprtcProgram program;
  COMPILED(hiprtcCreateProgram(&program, source, "double.hip", 0, nullptr, nullptr));
  COMPILED(hiprtcCompileProgram(program, 1, options));
  size_t bytes;
  COMPILED(hiprtcGetCodeSize(program, &bytes));
  std::vector<char> code(bytes);
  COMPILED(hiprtcGetCode(program, code.data()));
  hipModule_t module;
  hipFunction_t kernel;
  MUST(hipModuleLoadData(&module, code.data()));
  MUST(hipModuleGetFunction(&kernel, module, "double_all"));
  int *device, n = 1000;
  MUST(hipMalloc((void **)&device, n * sizeof(int)));
  void *arguments[] = {&device, &n};
  hipEvent_t before, after;
  MUST(hipEventCreate(&before));
  MUST(hipEventCreate(&after));
  MUST(hipEventRecord(before, nullptr));
  for (int i = 0; i < launches; i++)
    MUST(hipModuleLaunchKernel(kernel, 4, 1, 1, 256, 1, 1, 0, nullptr, arguments, nullptr));
  MUST(hipEventRecord(after, nullptr));
  MUST(hipDeviceSynchronize());
  float elapsed = -1;
  MUST(hipEventElapsedTime(&elapsed, before, after));
  printf("launched %d, elapsed %s\nend\n", launches, elapsed > 0 ? "positive" : "WRONG");
  return 0;
}
