// Images of many formats and shapes: host -> image, host -> a box of it, image -> image, image -> device buffer -> host, a
// box of it -> host. Everything is compared with the same copies of arrays in host memory.
#include "hip.h"

static int bad = 0, unsupported = 0;

struct Shape {
  const char *name;
  size_t width, height, depth;
  unsigned flags;
};

struct Box {
  size_t x, y, z, width, height, depth;
};

static size_t rows_of(size_t size) { return size ? size : 1; }

static void check(bool good, const char *what, const Shape &shape, size_t element) {
  if (good) return;
  bad++;
  printf("WRONG %s, %s of %zu bytes\n", what, shape.name, element);
}

static hipMemcpy3DParms between(const Box &box, hipMemcpyKind kind) {
  hipMemcpy3DParms copy = {};
  copy.extent = make_hipExtent(box.width, box.height, box.depth);
  copy.kind = kind;
  return copy;
}

static void one(const Shape &shape, hipChannelFormatDesc format) {
  size_t element = (format.x + format.y + format.z + format.w) / 8;
  size_t width = shape.width, height = rows_of(shape.height), depth = rows_of(shape.depth);
  size_t pitch = width * element, all = pitch * height * depth;
  hipArray_t first, second;
  hipExtent extent = make_hipExtent(shape.width, shape.height, shape.depth);
  hipError_t refused = hipMalloc3DArray(&first, &format, extent, shape.flags);
  if (refused != hipSuccess) {
    unsupported++;
    return;
  }
  MUST(hipMalloc3DArray(&second, &format, extent, shape.flags));
  std::vector<unsigned char> host(all), back(all), wanted(all), some(all);
  unsigned char *device;
  MUST(hipMalloc((void **)&device, all));
  Box whole = {0, 0, 0, width, height, depth};
  pattern(host.data(), all, 3);
  wanted = host;

  hipMemcpy3DParms copy = between(whole, hipMemcpyHostToDevice);
  copy.srcPtr = make_hipPitchedPtr(host.data(), pitch, width, height), copy.dstArray = first;
  if (hipMemcpy3D(&copy) == hipErrorInvalidValue) {  // older HIP copies no array of lines
    unsupported++;
    return;
  }

  Box box = {width / 4, height / 3, depth / 2, width / 2, (height + 1) / 2, (depth + 1) / 2};
  pattern(some.data(), all, 11);
  copy = between(box, hipMemcpyHostToDevice);
  copy.srcPtr = make_hipPitchedPtr(some.data(), pitch, width, height), copy.dstArray = first;
  copy.dstPos = make_hipPos(box.x, box.y, box.z);
  MUST(hipMemcpy3D(&copy));
  for (size_t z = 0; z < box.depth; z++)
    for (size_t y = 0; y < box.height; y++)
      memcpy(&wanted[((box.z + z) * height + box.y + y) * pitch + box.x * element], &some[(z * height + y) * pitch],
             box.width * element);

  copy = between(whole, hipMemcpyDeviceToDevice);
  copy.srcArray = first, copy.dstArray = second;
  MUST(hipMemcpy3D(&copy));

  copy = between(whole, hipMemcpyDeviceToDevice);
  copy.srcArray = second, copy.dstPtr = make_hipPitchedPtr(device, pitch, width, height);
  MUST(hipMemcpy3D(&copy));
  MUST(hipMemcpy(back.data(), device, all, hipMemcpyDeviceToHost));
  check(back == wanted, "image", shape, element);

  std::fill(back.begin(), back.end(), 0);
  copy = between(box, hipMemcpyDeviceToHost);
  copy.srcArray = second, copy.srcPos = make_hipPos(box.x, box.y, box.z);
  copy.dstPtr = make_hipPitchedPtr(back.data(), pitch, width, height);
  MUST(hipMemcpy3D(&copy));
  bool good = true;
  for (size_t z = 0; z < box.depth; z++)
    for (size_t y = 0; y < box.height; y++)
      good &= !memcmp(&back[(z * height + y) * pitch], &some[(z * height + y) * pitch], box.width * element);
  check(good, "box", shape, element);
  MUST(hipFree(device));
  MUST(hipFreeArray(first));
  MUST(hipFreeArray(second));
}

int main() {
  int supported = -1;
  MUST(hipDeviceGetAttribute(&supported, hipDeviceAttributeImageSupport, 0));
  printf("images %d\n", supported);
  Shape shapes[] = {{"line", 100, 0, 0, 0}, {"plane", 64, 16, 0, 0}, {"odd plane", 37, 11, 0, 0}, {"box", 24, 10, 6, 0},
                    {"layers", 40, 9, 5, hipArrayLayered}, {"layered lines", 50, 0, 4, hipArrayLayered}};
  auto U = hipChannelFormatKindUnsigned;
  hipChannelFormatDesc formats[] = {{8, 0, 0, 0, U}, {16, 16, 0, 0, U}, {32, 32, 32, 32, hipChannelFormatKindFloat},
                                    {8, 8, 8, 8, U}, {16, 0, 0, 0, hipChannelFormatKindSigned}, {32, 32, 0, 0, U}};
  for (auto &shape : shapes)
    for (auto &format : formats) one(shape, format);
  printf("unsupported %d, wrong %d\nend\n", unsupported, bad);
  return bad != 0;
}
