// The runtime's own kernels beside copies of whole buffers: fills of every unit, rectangles, boxes, and values that
// streams write and wait for. Everything is read back and compared.
#include "hip.h"
#include <unistd.h>

static int bad = 0;

static void check(bool good, const char *what) {
  if (good) return;
  bad++;
  printf("WRONG %s\n", what);
}

constexpr int PITCH = 512, ROWS = 24, DEEP = 6, ALL = PITCH * ROWS * DEEP;

static std::vector<unsigned char> read_all(const unsigned char *device) {
  std::vector<unsigned char> data(ALL);
  MUST(hipMemcpy(data.data(), device, ALL, hipMemcpyDeviceToHost));
  return data;
}

// Every byte is `value` inside a box of the pitched buffer, 0 outside.
static void check_box(const unsigned char *device, int width, int height, int depth, unsigned char value, const char *what) {
  std::vector<unsigned char> data = read_all(device);
  bool good = true;
  for (int z = 0; z < DEEP; z++)
    for (int y = 0; y < ROWS; y++)
      for (int x = 0; x < PITCH; x++)
        good &= data[(z * ROWS + y) * PITCH + x] == (x < width && y < height && z < depth ? value : 0);
  check(good, what);
}

static hipPitchedPtr pitched(void *where) { return make_hipPitchedPtr(where, PITCH, PITCH, ROWS); }

static void fills(unsigned char *device) {
  for (int width : {1, 3, 8, 17, 100, 508})  // HIP itself forgets the slice pitch of full rows
    for (int height : {1, 5, ROWS}) {
      MUST(hipMemset(device, 0, ALL));
      MUST(hipMemset2D(device, PITCH, 0x5A, width, height));
      MUST(hipDeviceSynchronize());
      check_box(device, width, height, 1, 0x5A, "memset 2D");
      MUST(hipMemset(device, 0, ALL));
      MUST(hipMemset3D(pitched(device), 0xC3, make_hipExtent(width, height, 4)));
      MUST(hipDeviceSynchronize());
      check_box(device, width, height, 4, 0xC3, "memset 3D");
    }
  for (int shift : {0, 1, 2, 4, 8, 16})
    for (int count : {1, 2, 3, 5, 16, 257, 1000}) {
      if (shift % 8 && count < 8) continue;  // HIP 5.2 itself runs away when a fill ends before its first aligned byte
      MUST(hipMemset(device, 0, ALL));
      unsigned char *at = device + 64 + shift;
      MUST(hipMemsetD8((hipDeviceptr_t)at, 0x11, count));
      if (shift % 2 == 0) MUST(hipMemsetD16((hipDeviceptr_t)(at + 16384), 0x2233, count));
      if (shift % 4 == 0) MUST(hipMemsetD32((hipDeviceptr_t)(at + 32768), 0x44556677, count));
      MUST(hipDeviceSynchronize());
      std::vector<unsigned char> data = read_all(device), wanted(ALL);
      for (int i = 0; i < count; i++) wanted[64 + shift + i] = 0x11;
      for (int i = 0; i < count && shift % 2 == 0; i++) memcpy(&wanted[64 + shift + 16384 + 2 * i], "\x33\x22", 2);
      for (int i = 0; i < count && shift % 4 == 0; i++) memcpy(&wanted[64 + shift + 32768 + 4 * i], "\x77\x66\x55\x44", 4);
      check(data == wanted, "memset of 1, 2 and 4 bytes");
    }
}

// A box goes host -> device -> second device buffer -> host, with other pitches and offsets at every stop.
static void boxes(unsigned char *device, unsigned char *second, unsigned char *host, unsigned char *back) {
  struct { size_t x, y, z, width, height, depth; } cases[] = {
      {0, 0, 0, 64, 4, 1}, {0, 0, 0, 64, 4, 3}, {1, 2, 1, 33, 7, 3}, {4, 1, 0, 128, 20, 1}, {16, 3, 2, 256, 9, 4}, {3, 0, 0, 1, 1, 1}};
  for (auto &box : cases) {
    pattern(host, ALL, 31);
    MUST(hipMemset(device, 0, ALL));
    MUST(hipMemset(second, 0, ALL));
    memset(back, 0, ALL);
    hipMemcpy3DParms copy = {};
    copy.extent = make_hipExtent(box.width, box.height, box.depth);
    copy.srcPtr = pitched(host), copy.dstPtr = pitched(device), copy.kind = hipMemcpyHostToDevice;
    copy.srcPos = make_hipPos(box.x, box.y, box.z);
    MUST(hipMemcpy3D(&copy));
    copy.srcPtr = pitched(device), copy.dstPtr = pitched(second), copy.kind = hipMemcpyDeviceToDevice;
    copy.srcPos = make_hipPos(0, 0, 0), copy.dstPos = make_hipPos(box.x, box.y, box.z);
    MUST(hipMemcpy3D(&copy));
    copy.srcPtr = pitched(second), copy.dstPtr = pitched(back), copy.kind = hipMemcpyDeviceToHost;
    copy.srcPos = make_hipPos(box.x, box.y, box.z), copy.dstPos = make_hipPos(0, 0, 0);
    MUST(hipMemcpy3D(&copy));
    bool good = true;
    for (size_t z = 0; z < box.depth; z++)
      for (size_t y = 0; y < box.height; y++)
        good &= !memcmp(back + (z * ROWS + y) * PITCH, host + ((box.z + z) * ROWS + box.y + y) * PITCH + box.x, box.width);
    check(good, "box");
  }
  for (size_t width : {1ul, 5ul, 64ul, 300ul}) {
    MUST(hipMemcpy2D(device, PITCH, host, PITCH, width, ROWS, hipMemcpyHostToDevice));
    MUST(hipMemcpy2D(second + 2, PITCH / 2 + 60, device, PITCH, width, ROWS, hipMemcpyDeviceToDevice));
    MUST(hipMemcpy2D(back, 301, second + 2, PITCH / 2 + 60, width, ROWS, hipMemcpyDeviceToHost));
    bool good = true;
    for (int y = 0; y < ROWS; y++) good &= !memcmp(back + 301 * y, host + PITCH * y, width);
    check(good, "rectangle");
  }
}

static bool done_within(hipStream_t stream, int ms) {
  for (int i = 0; i < ms; i++, usleep(1000))
    if (hipStreamQuery(stream) == hipSuccess) return true;
  return false;
}

// A stream waits until the host has written what it waits for; then it writes itself.
static void values() {
  uint64_t *word;
  MUST(hipExtMallocWithFlags((void **)&word, 8, hipMallocSignalMemory));
  hipStream_t stream;
  MUST(hipStreamCreate(&stream));
  struct { unsigned flags; uint64_t value, mask, before, after; } cases[] = {
      {hipStreamWaitValueGte, 5, ~0ull, 4, 6},          {hipStreamWaitValueGte, 5, 0xF, 0xF4, 0xF5},
      {hipStreamWaitValueEq, 7, ~0ull, 8, 7},           {hipStreamWaitValueEq, 0x30, 0xF0, 0x21, 0x3F},
      {hipStreamWaitValueAnd, 0x6, ~0ull, 0x9, 0x2},    {hipStreamWaitValueNor, ~0ull - 1, ~0ull, 1, 0}};
  for (auto &one : cases)
    for (int bits : {32, 64}) {
      volatile uint32_t *low = (uint32_t *)word;
      *(volatile uint64_t *)word = one.before;
      if (bits == 32) MUST(hipStreamWaitValue32(stream, (uint32_t *)word, (uint32_t)one.value, one.flags, (uint32_t)one.mask));
      else MUST(hipStreamWaitValue64(stream, word, one.value, one.flags, one.mask));
      if (bits == 32) MUST(hipStreamWriteValue32(stream, (uint32_t *)word, 0x600D, 0));
      else MUST(hipStreamWriteValue64(stream, word, 0x600D0000600Dull, 0));
      check(!done_within(stream, 20), "a wait that ended early");
      if (bits == 32) *low = (uint32_t)one.after;
      else *(volatile uint64_t *)word = one.after;
      MUST(hipStreamSynchronize(stream));
      check(*(volatile uint64_t *)word == (bits == 32 ? 0x600D : 0x600D0000600Dull), "a value that was written");
    }
#if HIP_VERSION_MAJOR >= 6
  hipStreamBatchMemOpParams batch[2] = {};
  batch[0].operation = hipStreamMemOpWriteValue32;
  batch[0].writeValue.address = (hipDeviceptr_t)word, batch[0].writeValue.value = 77;
  *(volatile uint64_t *)word = 0;
  MUST(hipStreamBatchMemOp(stream, 1, batch, 0));
  MUST(hipStreamSynchronize(stream));
  check(*(volatile uint64_t *)word == 77, "a batch");
#endif
  MUST(hipStreamDestroy(stream));
  MUST(hipFree(word));
}

int main() {
  unsigned char *device, *second, *host, *back;
  MUST(hipMalloc((void **)&device, ALL));
  MUST(hipMalloc((void **)&second, ALL));
  MUST(hipHostMalloc((void **)&host, ALL, 0));
  std::vector<unsigned char> pageable(2 * ALL);
  back = &pageable[ALL];
  fills(device);
  boxes(device, second, host, back);
  boxes(device, second, pageable.data(), back);
  values();
  printf("wrong %d\nend\n", bad);
  return bad != 0;
}
