// What runtimes seldom use and tools do: PM4 dispatches, SDMA indirect buffers, exported buffers, events of the device,
// and a signal that program and GPU count in at once. surface WHAT SAVE_TOTAL SAVE_SIZE STACK_SIZE EOP
#include "kfd.h"
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sys/wait.h>

static uint64_t save_total;
static uint32_t save_size, stack_size;
static int eop;

static int fail(const char *what) {
  printf("%s: %s\n", what, strerror(errno));
  exit(1);
}

// A queue that is no AQL queue: its doorbell is the write pointer, in dwords (PM4) or bytes (SDMA).
static void other_queue(struct queue *queue, uint32_t type) {
  queue->ring = kfd_memory(AQL_RING), queue->page = kfd_memory(4096), queue->next = 0;
  struct create_queue request = {
      .ring = queue->ring, .write_pointer = queue->page + 0x38, .read_pointer = queue->page + 0x80, .ring_size = AQL_RING,
      .gpu_id = gpu_id, .type = type, .percentage = 100, .priority = 7};
  if (type != 1) {
    request.save = kfd_memory(save_total), request.save_size = save_size, request.stack_size = stack_size;
    request.eop = kfd_memory(4096), request.eop_size = 4096;
  }
  if (ioctl(kfd, KFD_CALL(0x02, 96, 3), &request)) fail("create queue");
  queue->id = request.queue_id;
  queue->doorbell = doorbells + (request.doorbell_offset & 8191) / 8;
}

static void submit(struct queue *queue, const uint32_t *words, int count, int unit) {
  for (int i = 0; i < count; i++) ((uint32_t *)queue->ring)[(queue->next / unit + i) % (AQL_RING / 4)] = words[i];
  queue->next += (uint64_t)count * unit;
  *queue->doorbell = queue->next;
}

static int wait_for(volatile uint32_t *where, uint32_t value) {
  for (int naps = 0; *where != value; naps++, usleep(100))
    if (naps > 50000) return 0;
  return 1;
}

#define PM4(opcode, dwords) (3u << 30 | ((dwords) - 2) << 16 | (opcode) << 8)
#define LOW(address) (uint32_t)(address)
#define HIGH(address) (uint32_t)((address) >> 32)

static void dispatch(void) {
  struct queue queue;
  other_queue(&queue, 0);
  uint64_t code = kfd_memory(4096), done = kfd_memory(4096);
  uint32_t words[] = {
      PM4(0x76, 5), 0x207, 64, 1, 1, PM4(0x76, 4), 0x20C, LOW(code >> 8), HIGH(code >> 8),  // SET_SH_REG: size, code
      PM4(0x15, 5), 32, 1, 1, 1,                                                           // DISPATCH_DIRECT
      PM4(0x49, 8), 0, 1u << 29, LOW(done), HIGH(done), 0x600D, 0, 0};                     // RELEASE_MEM
  submit(&queue, words, sizeof words / 4, 1);
  printf("dispatch %s\n", wait_for((uint32_t *)done, 0x600D) ? "done" : "not done");
}

static void indirect(void) {
  struct queue queue;
  other_queue(&queue, 1);
  uint64_t buffer = kfd_memory(4096), done = kfd_memory(4096);
  uint32_t body[] = {2, LOW(done), HIGH(done), 1, 11, 12, 5, LOW(done + 8), HIGH(done + 8), 13};  // WRITE of two, FENCE
  memcpy((void *)buffer, body, sizeof body);
  uint32_t words[] = {4, LOW(buffer), HIGH(buffer), sizeof body / 4, 0, 0};
  submit(&queue, words, 6, 4);
  volatile uint32_t *found = (uint32_t *)done;
  int last = wait_for(found + 2, 13);
  printf("indirect %u %u %s\n", found[0], found[1], last ? "13" : "nothing");
}

static int export_buffer(uint64_t handle) {
  struct { uint64_t handle; uint32_t flags, fd; } request = {handle, O_CLOEXEC, 0};
  return ioctl(kfd, KFD_CALL(0x24, sizeof request, 3), &request) ? -1 : (int)request.fd;
}

static void dmabuf(void) {
  struct memory request = {.va = next_va, .size = 8192, .gpu_id = gpu_id, .flags = VRAM | WRITABLE};
  if (ioctl(kfd, KFD_CALL(0x16, sizeof request, 3), &request)) fail("allocate");
  int fd = export_buffer(request.handle);
  if (fd < 0) fail("export");
  struct { uint64_t size, where; uint32_t room, gpu, flags, fd; } about = {.fd = (uint32_t)fd};
  if (ioctl(kfd, KFD_CALL(0x1C, sizeof about, 3), &about)) fail("about");
  printf("exported %lu bytes, %s, kind %u\n", about.size, about.gpu == gpu_id ? "this device" : "another", about.flags & 3);
  printf("bad: %d", export_buffer(77));
  about.fd = 0;
  printf(" %d\n", ioctl(kfd, KFD_CALL(0x1C, sizeof about, 3), &about));
  printf("mapped: %s\n", mmap(NULL, 8192, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED ? strerror(errno) : "yes");
  if (ioctl(kfd, KFD_CALL(0x17, 8, 1), &request.handle)) fail("free");
  fflush(stdout);
  // The child has a client of its own; the descriptor it inherits is all it needs, though the buffer was freed.
  pid_t child = fork();
  if (!child) {
    if (!kfd_open()) _exit(2);
    struct { uint64_t va, handle; uint32_t gpu, fd; } import = {.va = next_va, .gpu = gpu_id, .fd = (uint32_t)fd};
    if (ioctl(kfd, KFD_CALL(0x1D, sizeof import, 3), &import)) _exit(3);
    close(fd);
    _exit(ioctl(kfd, KFD_CALL(0x17, 8, 1), &import.handle) ? 4 : 0);
  }
  int status;
  waitpid(child, &status, 0);
  close(fd);
  printf("imported: %d\n", WEXITSTATUS(status));
}

static int watch(uint64_t mask) {
  struct { uint32_t gpu, fd; } request = {gpu_id, 0};
  if (ioctl(kfd, KFD_CALL(0x1F, sizeof request, 3), &request)) fail("events");
  if (write((int)request.fd, &mask, 8) != 8) fail("mask");
  return (int)request.fd;
}

// A queue writes to an address that is not mapped: who asked for that event is told so, who asked for others is not.
static void fault(void) {
  int asked = watch(1 << 0), other = watch(1 << 2);
  char line[256] = "";
  printf("before: %s\n", read(asked, line, sizeof line) < 0 ? strerror(errno) : line);
  struct queue queue;
  other_queue(&queue, 1);
  uint32_t words[] = {5, 0x66600000, 0, 1};
  submit(&queue, words, 4, 4);
  struct pollfd ready = {asked, POLLIN, 0};
  if (poll(&ready, 1, 5000) != 1) fail("poll");
  ssize_t got = read(asked, line, sizeof line - 1);
  line[got > 0 ? got : 0] = 0;
  int event;
  unsigned pid;
  char name[64] = "";
  sscanf(line, "%x %x:%63[^\n]", &event, &pid, name);
  printf("event %d of %s: %s\n", event, pid == (unsigned)getpid() ? "this process" : "another", name);
  printf("other: %s\n", read(other, line, sizeof line) < 0 ? strerror(errno) : line);
  close(asked);
  close(other);
}

static volatile int64_t *counter;
static volatile int stop;
static int64_t added;
enum { STEPS = 20000 };

static void *count_up(void *unused) {
  for (; !stop; added++) __atomic_fetch_add(counter, 1, __ATOMIC_SEQ_CST);
  return NULL;
}

static void together(void) {
  struct queue queue;
  if (kfd_queue(&queue, save_total, save_size, stack_size, eop)) fail("create queue");
  uint64_t signal = kfd_memory(4096);
  counter = (int64_t *)(signal + 8);
  *counter = STEPS;
  pthread_t thread;
  pthread_create(&thread, NULL, count_up, NULL);
  for (int i = 0; i < STEPS; i++) kfd_barrier(&queue, signal);
  for (int naps = 0; *(volatile uint64_t *)(queue.page + 0x80) < STEPS && naps < 50000; naps++) usleep(100);
  usleep(10000);
  stop = 1;
  pthread_join(thread, NULL);
  printf("lost %ld of %d\n", *counter - added, STEPS);
}

int main(int argc, char **argv) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  save_total = strtoull(argv[2], 0, 0), save_size = strtoul(argv[3], 0, 0);
  stack_size = strtoul(argv[4], 0, 0), eop = atoi(argv[5]);
  if (!kfd_open()) fail("open");
  if (!strcmp(argv[1], "dispatch")) dispatch();
  if (!strcmp(argv[1], "indirect")) indirect();
  if (!strcmp(argv[1], "dmabuf")) dmabuf();
  if (!strcmp(argv[1], "fault")) fault();
  if (!strcmp(argv[1], "together")) together();
  return 0;
}
