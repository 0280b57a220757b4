// Copies of every size class in every direction, memory of every kind; everything is read back and compared.
#include "hip.h"

static int bad = 0;

static void check(bool good, const char *what, size_t bytes) {
  if (good) return;
  bad++;
  printf("WRONG %s %zu\n", what, bytes);
}

int main(int argc, char **argv) {
  size_t largest = (size_t)(argc > 1 ? atoi(argv[1]) : 64) << 20;
  unsigned char *device, *second, *pinned;
  std::vector<unsigned char> pageable(largest), back(largest);
  MUST(hipMalloc((void **)&device, largest));
  MUST(hipMalloc((void **)&second, largest));
  MUST(hipHostMalloc((void **)&pinned, largest, 0));
  unsigned seed = 1;
  for (size_t bytes : {1ul, 3ul, 64ul, 4000ul, 4096ul, 16384ul, 16385ul, 32768ul, 65536ul, 1ul << 20, 5000001ul, 64ul << 20}) {
    if (bytes > largest) continue;
    pattern(pageable.data(), bytes, ++seed);
    MUST(hipMemcpy(device, pageable.data(), bytes, hipMemcpyHostToDevice));
    memset(back.data(), 0, bytes);
    MUST(hipMemcpy(back.data(), device, bytes, hipMemcpyDeviceToHost));
    check(holds(back.data(), bytes, seed), "pageable", bytes);
    pattern(pinned, bytes, ++seed);
    MUST(hipMemcpy(device, pinned, bytes, hipMemcpyHostToDevice));
    MUST(hipMemcpy(second, device, bytes, hipMemcpyDeviceToDevice));
    memset(pinned, 0, bytes);
    MUST(hipMemcpy(pinned, second, bytes, hipMemcpyDeviceToHost));
    check(holds(pinned, bytes, seed), "pinned", bytes);
  }
  hipStream_t stream;
  MUST(hipStreamCreate(&stream));
  pattern(pinned, largest, 77);
  MUST(hipMemcpyAsync(device, pinned, largest, hipMemcpyHostToDevice, stream));
  MUST(hipMemcpyAsync(pageable.data(), device, largest, hipMemcpyDeviceToHost, stream));
  MUST(hipStreamSynchronize(stream));
  check(holds(pageable.data(), largest, 77), "stream", largest);

  for (size_t bytes : {1ul, 7ul, 4096ul, 100003ul}) {
    MUST(hipMemset(device, 0, 1 << 18));
    MUST(hipMemset(device + 8, 0xA5, bytes));
    MUST(hipMemcpy(back.data(), device, 1 << 18, hipMemcpyDeviceToHost));
    bool good = true;
    for (size_t i = 0; i < 1 << 18; i++) good &= back[i] == (i >= 8 && i < 8 + bytes ? 0xA5 : 0);
    check(good, "memset", bytes);
  }
  MUST(hipMemsetD32((hipDeviceptr_t)device, 0x12345678, 1000));
  MUST(hipMemcpy(back.data(), device, 4000, hipMemcpyDeviceToHost));
  bool words = true;
  for (size_t i = 0; i < 1000; i++) words &= ((unsigned *)back.data())[i] == 0x12345678;
  check(words, "memset32", 4000);

  unsigned char *own = (unsigned char *)aligned_alloc(4096, 1 << 20);
  pattern(own, 1 << 20, 5);
  MUST(hipHostRegister(own, 1 << 20, 0));
  MUST(hipMemcpy(device, own, 1 << 20, hipMemcpyHostToDevice));
  memset(own, 0, 1 << 20);
  MUST(hipMemcpy(own, device, 1 << 20, hipMemcpyDeviceToHost));
  check(holds(own, 1 << 20, 5), "registered", 1 << 20);
  void *seen;
  MUST(hipHostGetDevicePointer(&seen, own, 0));
  MUST(hipMemset(seen, 0x3C, 4000));
  MUST(hipDeviceSynchronize());
  bool filled = true;
  for (size_t i = 0; i < 4000; i++) filled &= own[i] == 0x3C;
  check(filled, "registered memset", 4000);
  MUST(hipHostUnregister(own));

  unsigned char *managed;
  MUST(hipMallocManaged((void **)&managed, 1 << 20, hipMemAttachGlobal));
  pattern(managed, 1 << 20, 9);
  MUST(hipMemcpy(device, managed, 1 << 20, hipMemcpyDefault));
  memset(managed, 0, 1 << 20);
  MUST(hipMemcpy(managed, device, 1 << 20, hipMemcpyDefault));
  MUST(hipDeviceSynchronize());
  check(holds(managed, 1 << 20, 9), "managed", 1 << 20);

  pattern(pageable.data(), 1 << 20, 21);
  MUST(hipMemset(device, 0, 1 << 20));
  MUST(hipMemcpy2D(device, 512, pageable.data(), 256, 100, 64, hipMemcpyHostToDevice));
  MUST(hipMemcpy2D(back.data(), 200, device, 512, 100, 64, hipMemcpyDeviceToHost));
  bool rows = true;
  for (int y = 0; y < 64; y++) rows &= !memcmp(&back[200 * y], &pageable[256 * y], 100);
  check(rows, "2D", 6400);

  MUST(hipMemset(device, 0, 1 << 20));
  MUST(hipMemcpy2D(device + 3, 511, pageable.data() + 1, 257, 99, 64, hipMemcpyHostToDevice));
  MUST(hipMemcpy2D(back.data(), 200, device + 3, 511, 99, 64, hipMemcpyDeviceToHost));
  rows = true;
  for (int y = 0; y < 64; y++) rows &= !memcmp(&back[200 * y], &pageable[257 * y + 1], 99);
  check(rows, "odd 2D", 6336);

  size_t left = 0, all = 0;
  MUST(hipMemGetInfo(&left, &all));
  printf("memory %zu of %zu used\n", all - left, all);
  MUST(hipFree(managed));
  MUST(hipHostFree(pinned));
  MUST(hipFree(device));
  MUST(hipFree(second));
  MUST(hipStreamDestroy(stream));
  printf("wrong %d\nend\n", bad);
  return bad != 0;
}
