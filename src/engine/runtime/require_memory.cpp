#include <pthread.h>
#include <sys/mman.h>

#include <new>

#include "engine/runtime.h"

namespace canal {

namespace {

// That a thread gets where nobody asked for another.
size_t stack_size() {
  pthread_attr_t attributes;
  size_t size = 0;
  if (pthread_attr_init(&attributes) != 0) return 0;
  pthread_attr_getstacksize(&attributes, &size);
  pthread_attr_destroy(&attributes);
  return size;
}

}  // namespace

// Addresses are asked for, and no page of them is touched.
void require_memory(size_t bytes) {
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  munmap(memory, bytes);
}

void require_thread_memory(int count) {
  constexpr size_t of_libraries = size_t{2} << 20;
  if (count > 0) require_memory(static_cast<size_t>(count) * (stack_size() + of_libraries));
}

}  // namespace canal
